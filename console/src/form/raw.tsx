// A field for JSON as it is typed.
import { controlId } from './context';
import { FieldErrors, errorsId } from './errors';

interface RawFieldProps {
  pointer: string;
  label: string;
  text: string;
  why?: string | null;
  errors: string[];
  onText: (text: string) => void;
}

export function RawField({ pointer, label, text, why, errors, onText }: RawFieldProps) {
  const rows = Math.min(16, Math.max(2, text.split('\n').length + 1));
  return (
    <>
      {why && <p class="hint">{why}</p>}
      <textarea
        id={controlId(pointer)}
        class="textarea"
        rows={rows}
        spellcheck={false}
        autocomplete="off"
        placeholder="JSON"
        aria-label={`${label} as JSON`}
        aria-invalid={errors.length > 0}
        aria-describedby={errors.length > 0 ? errorsId(pointer) : undefined}
        value={text}
        onInput={(event) => onText(event.currentTarget.value)}
        data-testid={`field-${pointer}`}
      />
      <FieldErrors pointer={pointer} errors={errors} />
    </>
  );
}
