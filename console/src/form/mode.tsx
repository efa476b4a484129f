// How a field is sent: not at all, null, by its fields, or as JSON.
import { print, tryParse } from '../json/index';
import type { Schema } from '../types';
import { build } from './build';
import { type FormState, useForm } from './context';
import type { Mode } from './draft';
import { loadAt } from './load';
import type { Shape } from './shape';

const MODE_LABELS: Record<Mode, string> = {
  absent: 'not sent',
  value: 'value',
  null: 'null',
  raw: 'JSON',
};

interface ModeProps {
  schema: Schema;
  shape: Shape;
  pointer: string;
  label: string;
  mode: Mode;
  modes: Mode[];
}

export function modesOf(shape: Shape, fixed: boolean): Mode[] {
  const modes: Mode[] = fixed ? [] : ['absent'];
  if (shape.kind !== 'raw') modes.push('value');
  if (shape.nullable) modes.push('null');
  return [...modes, 'raw'];
}

export function ModeSelect({ pointer, label, mode, modes, schema, shape }: ModeProps) {
  const form = useForm();
  const shown = shape.kind === 'raw' && mode === 'value' ? 'raw' : mode;
  return (
    <select
      class="mode"
      aria-label={`${label} is sent as`}
      value={shown}
      onChange={(event) => changeMode(form, schema, pointer, mode, event.currentTarget.value as Mode)}
      data-testid={`state-${pointer}`}
    >
      {modes.map((one) => (
        <option key={one} value={one} selected={one === shown}>
          {MODE_LABELS[one]}
        </option>
      ))}
    </select>
  );
}

export function RootSwitch({ raw, schema }: { raw: boolean; schema: Schema }) {
  const form = useForm();
  const readable = !raw || tryParse(form.draft['']?.raw ?? '') !== null;
  return (
    <button
      type="button"
      class="button button-small"
      disabled={!readable}
      title={readable ? undefined : 'The form cannot show this text: it is not JSON.'}
      onClick={() => changeMode(form, schema, '', raw ? 'raw' : 'value', raw ? 'value' : 'raw')}
      data-testid="form-raw"
    >
      {raw ? 'Edit as a form' : 'Edit as JSON'}
    </button>
  );
}

/** Goes over to another way of sending; between fields and JSON, what is there is taken along. */
function changeMode(form: FormState, schema: Schema, pointer: string, from: Mode, to: Mode): void {
  if (to === 'raw' && from === 'value') {
    const json = pointer === '' ? build(form.root, form.draft).json : form.scope.build(schema, pointer);
    const node = json === undefined ? null : tryParse(json);
    form.set(pointer, { mode: 'raw', raw: node ? print(node, 2) : (form.draft[pointer]?.raw ?? '') });
    return;
  }
  const typed = form.draft[pointer]?.raw ?? '';
  if (to === 'value' && from === 'raw' && tryParse(typed) !== null) {
    const loaded = loadAt(form.root, form.draft, schema, typed, pointer);
    if (loaded[pointer]?.mode !== 'raw') return form.replace(loaded);
  }
  form.set(pointer, { mode: to });
}
