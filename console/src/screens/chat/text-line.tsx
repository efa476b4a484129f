// A text of an agent. While it grows, each piece is put behind what is there, and nothing is drawn again.
import { Component, createRef } from 'preact';
import { useState } from 'preact/hooks';
import { Dialog } from '../../components/dialog';
import { TextView } from '../../components/text-view';
import { cut, visiblePieces } from '../../json';
import { visible } from '../../text';
import type { Chat } from './chat';
import type { TextPart } from './turn';
import { sinceText, sourceWords } from './words';

/** As many characters of one text stand in the document. */
const mostShown = 50_000;

interface GrowingProps {
  chat: Chat;
  part: TextPart;
  /** Called once, where the text is longer than what is shown of it. */
  onLong: () => void;
}

class GrowingText extends Component<GrowingProps> {
  private readonly box = createRef<HTMLSpanElement>();
  private shown = 0;
  private last: { node: Text; escape: boolean } | null = null;
  private stop: () => void = () => undefined;

  override componentDidMount(): void {
    const { chat, part } = this.props;
    this.append(part.text);
    this.stop = chat.watch(part, (piece) => this.append(piece));
  }

  override componentWillUnmount(): void {
    this.stop();
  }

  override shouldComponentUpdate(): boolean {
    return false;
  }

  override render() {
    return <span ref={this.box} />;
  }

  private append(piece: string): void {
    const box = this.box.current;
    if (!box || this.shown > mostShown) return;
    const room = mostShown - this.shown;
    this.shown += piece.length;
    for (const { text, escape } of visiblePieces(cut(piece, room))) {
      if (text === '') continue;
      if (this.last?.escape === escape) {
        this.last.node.appendData(text);
        continue;
      }
      const node = document.createTextNode(text);
      this.last = { node, escape };
      if (escape) {
        const mark = document.createElement('span');
        mark.className = 'escape';
        mark.append(node);
        box.append(mark);
      } else {
        box.append(node);
      }
    }
    if (this.shown > mostShown) {
      box.append('…');
      this.props.onLong();
    }
  }
}

/** What was said, and who chose the words where that was not the model; `code` says why a sentence of failure was said. */
export function TextLine({ chat, part, code }: { chat: Chat; part: TextPart; code: string | null }) {
  const [isLong, setLong] = useState(false);
  const [whole, setWhole] = useState<string | null>(null);
  const words = sourceWords(part.source);
  return (
    <div class={`chat-line chat-line-${words === null ? 'model' : 'other'}`} data-testid="chat-line" data-source={part.source}>
      {words !== null && (
        <p class="chat-mark">
          <span class="number">{sinceText(part.atMs)}</span>{' '}
          <span class={part.source === 'failure' ? 'badge badge-error' : 'badge badge-accent'}>{visible(words)}</span>
          {code !== null && part.source === 'failure' && <code class="error-text">{visible(code)}</code>}
        </p>
      )}
      <div class="chat-text">
        <GrowingText chat={chat} part={part} onLong={() => setLong(true)} />
        {isLong && (
          <button type="button" class="button-link" onClick={() => setWhole(part.text)} data-testid="whole-line">
            Show the whole text
          </button>
        )}
      </div>
      {whole !== null && (
        <Dialog title="What the agent said" onClose={() => setWhole(null)} testid="whole-text">
          <TextView text={whole} label="What the agent said" />
        </Dialog>
      )}
    </div>
  );
}
