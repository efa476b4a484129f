// The kind of a field and its bounds, in few words.
import type { Json } from '../types';
import type { Shape } from './shape';
import { type Digits, jsonText } from './value';

/** Numbers of a schema may have more digits than a double. */
function digits(value: unknown): string | null {
  return value === undefined ? null : jsonText(value as Json | Digits);
}

function sizes(least: unknown, most: unknown, unit: string): string[] {
  const [low, high] = [digits(least), digits(most)];
  const units = (count: string) => (count === '1' ? unit : `${unit}s`);
  if (low !== null && high !== null) return [low === high ? `${low} ${units(low)}` : `${low} to ${high} ${units(high)}`];
  if (low !== null) return low === '0' ? [] : [`at least ${low} ${units(low)}`];
  return high === null ? [] : [`up to ${high} ${units(high)}`];
}

function limits(schema: Shape['schema']): string[] {
  const [least, most] = [digits(schema.minimum), digits(schema.maximum)];
  const [above, below] = [digits(schema.exclusiveMinimum), digits(schema.exclusiveMaximum)];
  const parts: string[] = [];
  if (least !== null && most !== null) parts.push(`${least} to ${most}`);
  else if (least !== null) parts.push(`at least ${least}`);
  else if (most !== null) parts.push(`at most ${most}`);
  if (above !== null) parts.push(`more than ${above}`);
  if (below !== null) parts.push(`less than ${below}`);
  const step = digits(schema.multipleOf);
  if (step !== null) parts.push(`multiples of ${step}`);
  return parts;
}

function partsOf(shape: Shape): string[] {
  const { schema } = shape;
  switch (shape.kind) {
    case 'text':
      return [
        shape.format ?? 'text',
        ...(schema.pattern ? [] : sizes(schema.minLength, schema.maxLength, 'character')),
      ];
    case 'number':
      return [shape.integer ? 'integer' : 'number', ...limits(schema)];
    case 'enum':
      return [schema.type === 'boolean' ? 'boolean' : `one of ${shape.options.length}`];
    case 'const':
      return ['constant'];
    case 'object':
      return ['object'];
    case 'array': {
      const unique = schema.uniqueItems === true ? ['no repeats'] : [];
      return ['list', ...sizes(schema.minItems, schema.maxItems, 'item'), ...unique];
    }
    case 'choice':
      return [`one of ${shape.variants.length} types`];
    case 'raw':
      return ['JSON'];
  }
}

export function describeType(shape: Shape): string {
  const text = partsOf(shape).join(', ');
  return shape.nullable ? `${text} or null` : text;
}
