// Fields that have fields: objects, lists and choices between types.
import { useId, useState } from 'preact/hooks';
import { visible } from '../text';
import { chosenVariant, extraNames, extraSchema, itemCount, itemSchema } from './build';
import { controlId, useForm } from './context';
import { without, withoutItem } from './draft';
import { Chosen, Field } from './field';
import { child } from './pointer';
import type { Shape } from './shape';

export function ObjectField({ shape, pointer }: { shape: Shape & { kind: 'object' }; pointer: string }) {
  const form = useForm();
  const extra = extraNames(shape, form.draft[pointer]);
  const remove = (name: string) => {
    const rest = without(form.draft, child(pointer, name));
    form.replace({ ...rest, [pointer]: { ...rest[pointer], extra: extra.filter((one) => one !== name) } });
  };
  const named = shape.properties.length;
  // An action without parameters takes none, even where its schema does not say so.
  const nothing = pointer === '' && named === 0 && typeof shape.extra !== 'object';
  return (
    <div class="fields">
      {shape.properties.map((property) => (
        <Field
          key={property.name}
          schema={property.schema}
          pointer={child(pointer, property.name)}
          name={property.name === '' ? '""' : property.name}
          required={property.required}
        />
      ))}
      {extra.map((name) => (
        <Field
          key={`+${name}`}
          schema={extraSchema(shape)}
          pointer={child(pointer, name)}
          name={name}
          required
          onRemove={() => remove(name)}
        />
      ))}
      {named === 0 && extra.length === 0 && <p class="hint">{nothing ? 'No arguments.' : 'No entries yet.'}</p>}
      {shape.extra !== false && !(nothing && extra.length === 0) && (
        <AddMember shape={shape} pointer={pointer} taken={extra} />
      )}
    </div>
  );
}

function addLabel(shape: Shape & { kind: 'object' }, pointer: string): string {
  if (shape.properties.length === 0) return 'Add an entry';
  return pointer === '' ? 'Add another argument' : 'Add another member';
}

function AddMember({ shape, pointer, taken }: { shape: Shape & { kind: 'object' }; pointer: string; taken: string[] }) {
  const form = useForm();
  const [open, setOpen] = useState(false);
  const [name, setName] = useState('');
  const id = useId();
  const known = taken.includes(name) || shape.properties.some((property) => property.name === name);
  const add = () => {
    if (known || name === '') return;
    form.set(pointer, { mode: 'value', extra: [...taken, name] });
    setName('');
    setOpen(false);
  };
  if (!open) {
    return (
      <button
        type="button"
        class="button-link field-add"
        onClick={() => setOpen(true)}
        data-testid={`add-member-${pointer}`}
      >
        {addLabel(shape, pointer)}
      </button>
    );
  }
  return (
    <div class="row">
      <label class="hint" for={id}>
        Name
      </label>
      <input
        id={id}
        class="input input-short"
        value={name}
        onInput={(event) => setName(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key !== 'Enter') return;
          event.preventDefault();
          add();
        }}
        data-testid={`member-name-${pointer}`}
      />
      <button
        type="button"
        class="button button-small"
        disabled={known || name === ''}
        onClick={add}
        data-testid={`member-add-${pointer}`}
      >
        Add
      </button>
      <button type="button" class="button button-small button-quiet" onClick={() => setOpen(false)}>
        Close
      </button>
      {known && <span class="hint">There is a member of this name.</span>}
    </div>
  );
}

export function ArrayField({ shape, pointer }: { shape: Shape & { kind: 'array' }; pointer: string }) {
  const form = useForm();
  const count = itemCount(shape, form.draft[pointer]);
  return (
    <div class="fields">
      {Array.from({ length: count }, (_, index) => (
        <Field
          key={index}
          schema={itemSchema(shape, index)}
          pointer={child(pointer, index)}
          name={`item ${index + 1}`}
          required
          onRemove={() => form.replace(withoutItem(form.draft, pointer, index, count))}
        />
      ))}
      {count === 0 && <p class="hint">An empty list is sent.</p>}
      {shape.more && count < shape.most && (
        <button
          type="button"
          class="button button-small field-add"
          onClick={() => form.set(pointer, { mode: 'value', count: count + 1 })}
          data-testid={`add-${pointer}`}
        >
          Add an item
        </button>
      )}
    </div>
  );
}

export function ChoiceField({
  shape,
  pointer,
  choice,
}: {
  shape: Shape & { kind: 'choice' };
  pointer: string;
  choice: number;
}) {
  const form = useForm();
  const entry = form.draft[pointer];
  const chosen = chosenVariant(entry, choice, shape.variants.length);
  const variant = shape.variants[chosen];
  const id = `${controlId(pointer)}-variant-${choice}`;
  const choose = (index: number) =>
    form.set(pointer, { mode: 'value', variant: [...(entry?.variant ?? []).slice(0, choice), index] });
  return (
    <div class="fields">
      <div class="row">
        <label class="hint" for={id}>
          Type
        </label>
        <select
          id={id}
          class="select input-short"
          value={String(chosen)}
          onChange={(event) => choose(Number(event.currentTarget.value))}
          data-testid={`variant-${pointer}`}
        >
          {shape.variants.map((one, index) => (
            <option key={index} value={String(index)} selected={index === chosen}>
              {visible(one.title)}
            </option>
          ))}
        </select>
      </div>
      {variant && <Chosen key={chosen} schema={variant.schema} pointer={pointer} choice={choice + 1} />}
    </div>
  );
}
