// The sentences that belong to a field.
import { visible } from '../text';
import { controlId } from './context';

export function errorsId(pointer: string): string {
  return `${controlId(pointer)}-errors`;
}

interface ErrorsProps {
  pointer: string;
  errors: string[];
  /** Nobody has touched the field yet, so that it is no mistake. */
  soft?: boolean;
}

export function FieldErrors({ pointer, errors, soft = false }: ErrorsProps) {
  if (errors.length === 0) return null;
  return (
    <ul
      id={errorsId(pointer)}
      class={soft ? 'field-errors field-errors-soft' : 'field-errors'}
      data-testid={`errors-${pointer}`}
    >
      {errors.map((sentence) => (
        <li key={sentence}>{visible(sentence)}</li>
      ))}
    </ul>
  );
}
