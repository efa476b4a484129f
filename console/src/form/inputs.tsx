// The controls of fields that have one value. What is typed stays as it is typed.
import { visible } from '../text';
import type { Json } from '../types';
import { controlId, useForm } from './context';
import type { Mode } from './draft';
import { errorsId } from './errors';
import type { Shape } from './shape';
import { jsonText } from './value';

interface InputProps {
  pointer: string;
  label: string;
  mode: Mode;
  invalid: boolean;
}

type Of<K extends Shape['kind']> = InputProps & { shape: Shape & { kind: K } };

const HINTS: Record<string, { placeholder: string; inputMode?: 'email' | 'url' | 'numeric' }> = {
  date: { placeholder: 'YYYY-MM-DD' },
  'date-time': { placeholder: 'YYYY-MM-DDThh:mm:ssZ' },
  time: { placeholder: 'hh:mm:ssZ' },
  email: { placeholder: '', inputMode: 'email' },
  uri: { placeholder: '', inputMode: 'url' },
};

/** What stands in an empty control: the default that the gateway takes, or how the text is written. */
function placeholder(schema: Shape['schema'], written: string): string {
  if (schema.default !== undefined) return `default: ${plain(schema.default)}`;
  const example = schema.examples?.[0];
  if (example !== undefined) return `such as ${plain(example)}`;
  return written;
}

function plain(value: Json): string {
  return visible(typeof value === 'string' ? value : jsonText(value));
}

function useText(pointer: string) {
  const form = useForm();
  const entry = form.draft[pointer];
  return {
    text: entry?.mode === 'absent' ? '' : (entry?.text ?? ''),
    // An emptied field is left out; “value” sends an empty text.
    type: (text: string) => form.set(pointer, { mode: text === '' ? 'absent' : 'value', text }),
  };
}

function common({ pointer, label, invalid }: InputProps) {
  return {
    id: controlId(pointer),
    'aria-label': label,
    'aria-invalid': invalid,
    'aria-describedby': errorsId(pointer),
    'data-testid': `field-${pointer}`,
    spellcheck: false,
    autocomplete: 'off',
  };
}

export function TextField(props: Of<'text'>) {
  const { shape, pointer, mode, label } = props;
  const { text, type } = useText(pointer);
  const hint = HINTS[shape.format ?? ''];
  const shown = placeholder(shape.schema, hint?.placeholder ?? '');
  const empty = mode === 'value' && text === '';
  const onInput = (event: { currentTarget: { value: string } }) => type(event.currentTarget.value);
  const now = nowAs(shape.format);
  return (
    <>
      <div class="input-row">
        {shape.long || text.includes('\n') ? (
          <textarea
            {...common(props)}
            class="textarea textarea-text"
            rows={3}
            placeholder={shown}
            value={text}
            onInput={onInput}
          />
        ) : (
          <input
            {...common(props)}
            class="input"
            type="text"
            inputMode={hint?.inputMode}
            placeholder={empty ? 'empty text' : shown}
            value={text}
            onInput={onInput}
          />
        )}
        {now && (
          <button
            type="button"
            class="button button-small"
            onClick={() => type(now.text())}
            aria-label={`${now.label}, as ${label}`}
          >
            {now.label}
          </button>
        )}
      </div>
      {shape.schema.pattern && <p class="field-pattern mono">{visible(shape.schema.pattern)}</p>}
      {empty && <p class="hint">An empty text is sent.</p>}
    </>
  );
}

function nowAs(format: string | null): { label: string; text: () => string } | null {
  const iso = () => new Date().toISOString();
  if (format === 'date') return { label: 'Today', text: () => iso().slice(0, 10) };
  if (format === 'date-time') return { label: 'Now', text: () => iso().replace(/\.\d+Z$/, 'Z') };
  if (format === 'time') return { label: 'Now', text: () => `${iso().slice(11, 19)}Z` };
  return null;
}

export function NumberField(props: Of<'number'>) {
  const { text, type } = useText(props.pointer);
  return (
    <input
      {...common(props)}
      class="input mono"
      type="text"
      inputMode={props.shape.integer ? 'numeric' : 'decimal'}
      placeholder={placeholder(props.shape.schema, '')}
      value={text}
      onInput={(event) => type(event.currentTarget.value.trim())}
    />
  );
}

export function EnumField(props: Of<'enum'>) {
  const form = useForm();
  const { shape, pointer, mode } = props;
  const entry = form.draft[pointer];
  const chosen =
    mode === 'absent' ? '' : (entry?.json ?? (entry?.text === undefined ? '' : JSON.stringify(entry.text)));
  const gone = chosen !== '' && !shape.options.some((option) => option.json === chosen);
  const none = shape.schema.default === undefined ? 'Choose…' : `default: ${plain(shape.schema.default)}`;
  return (
    <select
      {...common(props)}
      class="select"
      value={chosen}
      onChange={(event) => {
        const json = event.currentTarget.value;
        form.set(pointer, json === '' ? { mode: 'absent', json: undefined, text: undefined } : { mode: 'value', json });
      }}
    >
      <option value="" selected={chosen === ''}>
        {none}
      </option>
      {shape.options.map((option) => (
        <option key={option.json} value={option.json} selected={option.json === chosen}>
          {visible(option.label)}
        </option>
      ))}
      {gone && (
        <option value={chosen} selected>
          {visible(chosen)} (not in the schema)
        </option>
      )}
    </select>
  );
}

export function ConstField({ shape, pointer, mode }: Of<'const'>) {
  return (
    <output id={controlId(pointer)} class="field-const mono isolate" data-testid={`field-${pointer}`}>
      {mode === 'absent' ? <span class="hint">not sent</span> : visible(shape.json)}
    </output>
  );
}
