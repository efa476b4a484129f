// One field: its name, how it is sent, its control, and what the gateway says of it.
import type { ComponentChildren } from 'preact';
import { visible } from '../text';
import type { Schema } from '../types';
import { modeOf } from './build';
import { controlId, FormContext, type FormState, useForm } from './context';
import { ArrayField, ChoiceField, ObjectField } from './containers';
import type { Mode } from './draft';
import { FieldErrors } from './errors';
import { ConstField, EnumField, NumberField, TextField } from './inputs';
import { ModeSelect, modesOf, RootSwitch } from './mode';
import { RawField } from './raw';
import { type Shape, shapeOf } from './shape';
import { describeType } from './describe';

export interface FieldProps {
  schema: Schema;
  pointer: string;
  /** The name that is shown; empty at the root. */
  name: string;
  required: boolean;
  /** An item of a list, or a member that was added, is always there; this takes it away. */
  onRemove?: () => void;
}

export function Field(props: FieldProps) {
  const form = useForm();
  const { schema, pointer, required, onRemove } = props;
  const shape = shapeOf(form.scope, schema, pointer);
  const entry = form.draft[pointer];
  const fixed = onRemove !== undefined;
  const given = modeOf(entry, shape, required);
  const mode: Mode = fixed && given === 'absent' ? 'value' : given;
  const errors = form.errors.get(pointer) ?? [];
  const raw = mode === 'raw' || (mode === 'value' && shape.kind === 'raw');
  const grouped = !raw && (shape.kind === 'object' || shape.kind === 'array' || shape.kind === 'choice');
  const label = props.name === '' ? 'Arguments' : visible(props.name);

  const body = raw ? (
    <RawField
      pointer={pointer}
      label={label}
      why={shape.kind === 'raw' ? shape.why : null}
      text={entry?.raw ?? ''}
      errors={errors}
      onText={(text) => form.set(pointer, { mode: 'raw', raw: text })}
    />
  ) : (
    <>
      <Control {...props} shape={shape} mode={mode} label={label} invalid={errors.length > 0 && entry !== undefined} />
      <FieldErrors pointer={pointer} errors={errors} soft={entry === undefined} />
    </>
  );

  const head = (
    <FieldHead {...props} shape={shape} mode={mode} label={label} grouped={grouped} fixed={fixed} raw={raw} />
  );
  if (!grouped) {
    return (
      <div class={pointer === '' ? 'field field-root' : 'field'}>
        {head}
        {body}
      </div>
    );
  }
  return (
    <fieldset class={pointer === '' ? 'field-group field-root' : 'field-group'} data-testid={`field-${pointer}`}>
      <legend class="visually-hidden">{label}</legend>
      {head}
      {body}
    </fieldset>
  );
}

interface PartProps extends FieldProps {
  shape: Shape;
  mode: Mode;
  label: string;
}

function FieldHead(props: PartProps & { grouped: boolean; fixed: boolean; raw: boolean }) {
  const { shape, pointer, label, required, grouped, fixed, mode, onRemove, raw } = props;
  const { description } = shape.schema;
  const name: ComponentChildren = (
    <>
      <span class="field-name isolate">{label}</span>
      {required && !fixed && pointer !== '' && <span class="field-required">required</span>}
    </>
  );
  return (
    <div class="field-head">
      {grouped ? (
        <span class="label">{name}</span>
      ) : (
        <label class="label" for={controlId(pointer)}>
          {name}
        </label>
      )}
      <span class="field-type">{describeType(shape)}</span>
      {pointer === '' ? (
        shape.kind !== 'raw' && <RootSwitch raw={raw} schema={props.schema} />
      ) : (
        <ModeSelect {...props} modes={modesOf(shape, fixed)} mode={mode} />
      )}
      {onRemove && (
        <button
          type="button"
          class="button-link"
          onClick={onRemove}
          aria-label={`Remove ${label}`}
          data-testid={`remove-${pointer}`}
        >
          Remove
        </button>
      )}
      {description && pointer !== '' && <p class="field-description hint">{visible(description)}</p>}
    </div>
  );
}

function Control(props: PartProps & { invalid: boolean }) {
  const { shape, mode, label, pointer } = props;
  if (mode === 'null') return <p class="field-null mono">null</p>;
  const part = { pointer, label, mode, invalid: props.invalid };
  switch (shape.kind) {
    case 'text':
      return <TextField {...part} shape={shape} />;
    case 'number':
      return <NumberField {...part} shape={shape} />;
    case 'enum':
      return <EnumField {...part} shape={shape} />;
    case 'const':
      return <ConstField {...part} shape={shape} />;
    case 'raw':
      return <AddValue pointer={pointer} label={label} />;
    default:
      if (mode === 'absent') return <AddValue pointer={pointer} label={label} />;
      return <Group shape={shape} pointer={pointer} choice={0} />;
  }
}

function AddValue({ pointer, label }: { pointer: string; label: string }) {
  const form = useForm();
  return (
    <button
      type="button"
      class="button-link field-add"
      aria-label={`Add ${label}`}
      onClick={() => form.set(pointer, { mode: 'value' })}
      data-testid={`fill-${pointer}`}
    >
      Add
    </button>
  );
}

/** The inside of an object, a list or a choice. */
export function Group({ shape, pointer, choice }: { shape: Shape; pointer: string; choice: number }) {
  switch (shape.kind) {
    case 'object':
      return <ObjectField shape={shape} pointer={pointer} />;
    case 'array':
      return <ArrayField shape={shape} pointer={pointer} />;
    case 'choice':
      return <ChoiceField shape={shape} pointer={pointer} choice={choice} />;
    default:
      return null;
  }
}

/** What is chosen of a choice: a group, or a single control at the same place. */
export function Chosen({ schema, pointer, choice }: { schema: Schema; pointer: string; choice: number }) {
  const form = useForm();
  const shape = shapeOf(form.scope, schema, pointer);
  if (shape.kind === 'object' || shape.kind === 'array' || shape.kind === 'choice') {
    return <Group shape={shape} pointer={pointer} choice={choice} />;
  }
  const errors = form.errors.get(pointer) ?? [];
  if (shape.kind === 'raw') {
    return (
      <RawField
        pointer={pointer}
        label="Value"
        why={shape.why}
        text={form.draft[pointer]?.raw ?? ''}
        errors={[]}
        onText={(raw) => form.set(pointer, { mode: 'value', raw })}
      />
    );
  }
  // A choice stays chosen when its field is emptied.
  const set: FormState['set'] = (at, change) =>
    form.set(at, change.mode === 'absent' && at === pointer ? { ...change, mode: 'value' } : change);
  const props = { schema, pointer, name: '', required: true, shape, mode: 'value' as Mode, label: 'Value' };
  return (
    <FormContext.Provider value={{ ...form, set }}>
      <Control {...props} invalid={errors.length > 0} />
    </FormContext.Provider>
  );
}
