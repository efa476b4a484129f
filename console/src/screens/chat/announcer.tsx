// Tells those who listen to the page what the agent says: whole texts, each once, and never a piece of one.
import { useEffect, useRef, useState } from 'preact/hooks';
import { cut } from '../../json';
import { visible } from '../../text';
import type { Chat } from './chat';
import type { Turn } from './turn';
import { told } from './words';

const longest = 600;
/** As many texts stay; what was read is not read again. */
const kept = 8;

/** What was said before somebody came here is not told again. */
function beforeNow(chat: Chat): { turn: Turn | undefined; count: number } {
  const turn = chat.turns.at(-1);
  return { turn, count: turn ? told(turn).length : 0 };
}

export function Announcer({ chat }: { chat: Chat }) {
  const [lines, setLines] = useState<{ id: number; text: string }[]>([]);
  /** The turn that is told of, and how many of its texts were. */
  const done = useRef(beforeNow(chat));
  const next = useRef(0);
  const version = chat.version.value;

  useEffect(() => {
    const turn = chat.turns.at(-1);
    if (!turn) return;
    if (done.current.turn !== turn) done.current = { turn, count: 0 };
    const all = told(turn);
    const fresh = all.slice(done.current.count);
    if (fresh.length === 0) return;
    done.current.count = all.length;
    const added = fresh.map((text) => {
      next.current += 1;
      const beginning = text.length > longest ? `${cut(text, longest)}… The rest is in the transcript.` : text;
      return { id: next.current, text: beginning };
    });
    setLines((before) => [...before, ...added].slice(-kept));
  }, [chat, version]);

  return (
    <div class="visually-hidden" role="log" aria-live="polite" aria-label="What the agent says" data-testid="chat-announcer">
      {lines.map(({ id, text }) => (
        <p key={id}>{visible(text)}</p>
      ))}
    </div>
  );
}
