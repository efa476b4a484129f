// The kind of a field and its bounds, in few words.
import type { Shape } from './shape';

function bounds(least: number | undefined, most: number | undefined, unit: string): string {
  if (least !== undefined && most !== undefined) return ` ${least} to ${most}${unit}`;
  if (least !== undefined) return ` from ${least}${unit}`;
  if (most !== undefined) return ` to ${most}${unit}`;
  return '';
}

export function describeType(shape: Shape): string {
  const { schema } = shape;
  const kind = (() => {
    switch (shape.kind) {
      case 'text': {
        const length = schema.pattern ? '' : bounds(schema.minLength, schema.maxLength, ' characters');
        return `${shape.format ?? 'text'}${length}`;
      }
      case 'number':
        return `${shape.integer ? 'integer' : 'number'}${bounds(schema.minimum, schema.maximum, '')}`;
      case 'enum':
        return schema.type === 'boolean' ? 'boolean' : `one of ${shape.options.length}`;
      case 'const':
        return 'constant';
      case 'object':
        return 'object';
      case 'array':
        return `list${bounds(schema.minItems, schema.maxItems, ' items')}`;
      case 'choice':
        return `one of ${shape.variants.length} kinds`;
      case 'raw':
        return 'JSON';
    }
  })();
  return shape.nullable ? `${kind} or null` : kind;
}
