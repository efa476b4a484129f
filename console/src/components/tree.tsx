// A JSON text as a tree, and any other text as text: for answers of upstreams, which may hold anything.
import { useEffect, useMemo, useState } from 'preact/hooks';
import { type Node, parse, parseInSlices } from '../json';
import { faultText } from '../json/where';
import { CopyButton } from './copy';
import { download } from './download';
import { TextView } from './text-view';
import { Explorer, type KnownOutput, type Pick } from './tree-explorer';

export type { KnownOutput, Pick };

export interface JsonTreeProps {
  /** The text as it came. */
  text: string;
  label: string;
  /** JSON Pointers of values that are hidden or sensitive. */
  masked?: readonly string[];
  /** The output variables of the action that answered. Without them and `onPick`, values have no template reference. */
  outputs?: readonly KnownOutput[];
  /** The name of the file that "Download" makes. */
  fileName?: string;
  onPick?: (pick: Pick) => void;
  /** The value that a picked one stands for, where the text is made of another; null where there is none. */
  placeOf?: (node: Node) => Node | null;
  /** What the text is said to be. */
  contentType?: string;
}

type Document = { state: 'reading' } | { state: 'json'; root: Node } | { state: 'text'; error: unknown };

const NONE: readonly never[] = [];

/** Texts up to this length are read at once. */
const READ_AT_ONCE = 100_000;

function failure(error: unknown): Document {
  return { state: 'text', error };
}

/** What a text is that is no tree. Why it is no JSON matters only where it says that it is. */
function kindOf(text: string, contentType: string, error: unknown): string {
  if (/\bjson\b/i.test(contentType)) return `Not JSON: ${faultText(text, error)}`;
  return /\bx?html\b/i.test(contentType) ? 'HTML, shown as text' : 'Text';
}

function useDocument(text: string): Document {
  const small = useMemo((): Document | null => {
    if (text.length > READ_AT_ONCE) return null;
    try {
      return { state: 'json', root: parse(text) };
    } catch (error) {
      return failure(error);
    }
  }, [text]);
  const [large, setLarge] = useState<{ text: string; document: Document } | null>(null);
  useEffect(() => {
    if (small !== null) return;
    let stopped = false;
    void parseInSlices(text, () => stopped).then(
      (root) => stopped || setLarge({ text, document: { state: 'json', root } }),
      (error: unknown) => stopped || setLarge({ text, document: failure(error) }),
    );
    return () => {
      stopped = true;
    };
  }, [text, small]);
  return small ?? (large !== null && large.text === text ? large.document : { state: 'reading' });
}

export function JsonTree(props: JsonTreeProps) {
  const { text, label, masked = NONE, outputs, fileName = 'value.json', onPick, placeOf, contentType = '' } = props;
  const document = useDocument(text);
  const [asText, setAsText] = useState(false);
  const json = document.state === 'json' && !asText;
  return (
    <div class="json" data-testid="json-tree">
      <div class="json-bar">
        {document.state === 'json' && (
          <div class="json-modes" role="group" aria-label={`How to show ${label}`}>
            <ModeButton on={!asText} label="Tree" onClick={() => setAsText(false)} />
            <ModeButton on={asText} label="Text" onClick={() => setAsText(true)} />
          </div>
        )}
        {document.state === 'text' && text !== '' && (
          <span class="hint" data-testid="json-why">
            {kindOf(text, contentType, document.error)}
          </span>
        )}
        {document.state === 'reading' && <span class="hint">Reading…</span>}
        <span class="json-space" />
        <CopyButton text={text} what={label} testid="copy-all" />
        <button
          type="button"
          class="button button-small"
          aria-label={`Download ${label}`}
          data-testid="download"
          onClick={() => download(fileName, text, document.state === 'json' ? 'application/json' : 'text/plain')}
        >
          Download
        </button>
      </div>
      {json && <Explorer key={text} {...{ root: document.root, label, masked, outputs, onPick, placeOf }} />}
      {document.state === 'json' && asText && <TextView text={text} label={label} />}
      {document.state === 'text' &&
        (text === '' ? <p class="hint">Nothing.</p> : <TextView text={text} label={label} />)}
    </div>
  );
}

function ModeButton({ on, label, onClick }: { on: boolean; label: string; onClick: () => void }) {
  return (
    <button
      type="button"
      class={`button button-small${on ? ' button-on' : ''}`}
      aria-pressed={on}
      onClick={onClick}
      data-testid={`json-as-${label.toLowerCase()}`}
    >
      {label}
    </button>
  );
}
