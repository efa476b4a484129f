// A form made from the JSON Schema of an action's parameters. Where it cannot show them, it is a field for JSON.
import { Boundary } from '../components/lazy';
import type { SchemaObject } from '../types';
import { build, scopeOf, type Unreadable } from './build';
import { FormContext } from './context';
import { type Draft, type Entry, withEntry } from './draft';
import { Field } from './field';
import { place, shownFields } from './place';
import { RawField } from './raw';
import { visible } from '../text';

interface FormProps {
  schema: SchemaObject;
  draft: Draft;
  onChange: (draft: Draft) => void;
  violations: { pointer: string; sentence: string }[];
}

export function SchemaForm(props: FormProps) {
  return (
    <Boundary fallback={(error) => <WholeRaw {...props} why={error} />}>
      <Fields {...props} />
    </Boundary>
  );
}

function Fields({ schema, draft, onChange, violations }: FormProps) {
  const scope = scopeOf(schema, draft);
  const unreadable: Unreadable[] = build(schema, draft).unreadable;
  const { fields, top } = place([...unreadable, ...violations], shownFields(schema, draft));
  const set = (pointer: string, change: Partial<Entry>) => onChange(withEntry(draft, pointer, change));
  return (
    <FormContext.Provider value={{ root: schema, draft, scope, errors: fields, set, replace: onChange }}>
      <TopSentences sentences={top} />
      <Field schema={schema} pointer="" name="" required />
    </FormContext.Provider>
  );
}

function TopSentences({ sentences }: { sentences: string[] }) {
  if (sentences.length === 0) return null;
  return (
    <ul class="notice notice-error" data-testid="form-errors">
      {sentences.map((sentence) => (
        <li key={sentence}>{visible(sentence)}</li>
      ))}
    </ul>
  );
}

function WholeRaw({ draft, onChange, why }: FormProps & { why: string }) {
  const entry = draft[''];
  return (
    <div class="stack">
      <p class="notice notice-warn" data-testid="form-failed">
        The form cannot show these parameters ({why}). Type the arguments as JSON.
      </p>
      <RawField
        pointer=""
        label="Arguments"
        text={entry?.raw ?? '{}'}
        errors={[]}
        onText={(raw) => onChange(withEntry(draft, '', { mode: 'raw', raw }))}
      />
    </div>
  );
}
