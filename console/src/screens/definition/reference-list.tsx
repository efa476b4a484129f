// The references of a definition with the values that they have now, for keyboards and small screens too.
import { useId, useMemo } from 'preact/hooks';
import { referencesOf } from '../../components/references';
import { visible } from '../../text';
import { type Values, shownJson } from './use-values';

interface ReferenceListProps {
  text: string;
  values: Values;
  onGo: (line: number, column: number) => void;
}

export function ReferenceList({ text, values, onGo }: ReferenceListProps) {
  const id = useId();
  const references = useMemo(() => {
    const places = new Map<string, { line: number; column: number }[]>();
    for (const { reference, line, column } of referencesOf(text)) {
      const known = places.get(reference);
      if (known === undefined) places.set(reference, [{ line, column }]);
      else known.push({ line, column });
    }
    return [...places];
  }, [text]);
  if (references.length === 0) return null;
  return (
    <section class="panel" aria-labelledby={id} data-testid="references">
      <div class="panel-head">
        <h2 id={id}>References</h2>
        <label class="row references-conversation">
          <span class="hint">Conversation</span>
          <select
            class="select"
            value={values.chosen}
            onChange={(event) => values.choose(event.currentTarget.value)}
            data-testid="references-conversation"
          >
            {values.conversations.map((name) => (
              <option key={name} value={name} selected={name === values.chosen}>
                {visible(name)}
              </option>
            ))}
          </select>
        </label>
      </div>
      <ul class="references">
        {references.map(([reference, places]) => (
          <Reference key={reference} reference={reference} places={places} values={values} onGo={onGo} />
        ))}
      </ul>
    </section>
  );
}

interface ReferenceProps extends Pick<ReferenceListProps, 'values' | 'onGo'> {
  reference: string;
  places: readonly { line: number; column: number }[];
}

function Reference({ reference, places, values, onGo }: ReferenceProps) {
  const value = values.of(reference);
  return (
    <li class="reference" data-testid="reference">
      <div class="row">
        <code class="isolate reference-name">{visible(reference)}</code>
        {places.map(({ line, column }) => (
          <button
            key={`${line}:${column}`}
            type="button"
            class="button-link"
            aria-label={`Go to line ${line}, where ${reference} stands`}
            onClick={() => onGo(line, column)}
          >
            line {line}
          </button>
        ))}
      </div>
      {value !== null && (
        <>
          {value.json !== null && <pre class="reference-value">{shownJson(value.json)}</pre>}
          <span class="hint isolate">
            {visible(value.from)}
            {value.note !== null && `: ${value.note}`}
          </span>
        </>
      )}
    </li>
  );
}
