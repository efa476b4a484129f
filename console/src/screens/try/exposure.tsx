// Whether the model sees the value of a new output variable.
import { useId } from 'preact/hooks';
import type { KnownOutput } from '../../components/tree';
import type { NewOutput } from '../definition/insert';

/** What another variable of the same value says against it; null where nothing does. */
export function conflictOf(
  { path, expose }: NewOutput,
  outputs: readonly KnownOutput[],
  exposed: ReadonlySet<string>,
  hidden: boolean,
): string | null {
  for (const other of outputs) {
    if (other.path !== path) continue;
    if (!expose && exposed.has(other.name)) return `${other.name} has the same path and shows the value to the model.`;
    if (expose && !exposed.has(other.name) && hidden) {
      return `${other.name} has the same path and hides the value from the model.`;
    }
  }
  return null;
}

interface ExposureProps {
  seen: boolean;
  expose: boolean;
  onChange: (expose: boolean) => void;
}

export function Exposure({ seen, expose, onChange }: ExposureProps) {
  const name = useId();
  const choice = (value: boolean, label: string, testid: string) => (
    <label class="row">
      <input
        type="radio"
        name={name}
        checked={expose === value}
        onChange={() => onChange(value)}
        data-testid={testid}
      />
      <span>{label}</span>
    </label>
  );
  return (
    <fieldset class="choice">
      <legend class="label">The model</legend>
      {choice(true, seen ? 'The model keeps seeing it' : 'Show it to the model', 'output-expose')}
      {choice(false, 'Hide it from the model: it gets [hidden] in every answer', 'output-hide')}
    </fieldset>
  );
}
