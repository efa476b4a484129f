// Whether a value meets a schema, as far as the conditions of a form need it. The gateway is the validator.
import { memberOf, type Node, parse, print } from '../json/index';
import type { Json, Schema, SchemaObject } from '../types';
import { flatten, objectOf } from './merge';
import { jsonText } from './value';

/** `null`: it cannot be told here. */
export type Verdict = boolean | null;

const ANNOTATIONS = new Set([
  'title',
  'description',
  'default',
  'examples',
  'deprecated',
  '$comment',
  'format',
  '$defs',
]);

function all(verdicts: Verdict[]): Verdict {
  if (verdicts.includes(false)) return false;
  return verdicts.includes(null) ? null : true;
}

function any(verdicts: Verdict[]): Verdict {
  if (verdicts.includes(true)) return true;
  return verdicts.includes(null) ? null : false;
}

export function equals(node: Node, value: Json): boolean {
  if (node.kind === 'number' && typeof value === 'number') return Number(node.raw) === value;
  return print(node) === print(parse(jsonText(value)));
}

export function hasType(node: Node, type: string): boolean {
  switch (node.kind) {
    case 'number':
      return type === 'number' || (type === 'integer' && /^-?\d+(\.0+)?$/.test(node.raw));
    case 'true':
    case 'false':
      return type === 'boolean';
    default:
      return node.kind === type;
  }
}

function ofKeyword(keyword: string, value: unknown, node: Node, root: SchemaObject): Verdict {
  switch (keyword) {
    case 'const':
      return equals(node, value as Json);
    case 'enum':
      return (value as Json[]).some((option) => equals(node, option));
    case 'type':
      return (Array.isArray(value) ? (value as string[]) : [value as string]).some((type) => hasType(node, type));
    case 'required':
      return node.kind !== 'object' || (value as string[]).every((name) => memberOf(node, name) !== undefined);
    case 'properties':
      return all(
        Object.entries(value as Record<string, Schema>).map(([name, schema]) => {
          const member = memberOf(node, name);
          // A member that is not there yet decides nothing in a form.
          return member === undefined ? null : matches(schema, member, root);
        }),
      );
    case 'not': {
      const verdict = matches(value as Schema, node, root);
      return verdict === null ? null : !verdict;
    }
    case 'anyOf':
    case 'oneOf':
      return any((value as Schema[]).map((schema) => matches(schema, node, root)));
    case 'minimum':
      return node.kind !== 'number' || Number(node.raw) >= (value as number);
    case 'maximum':
      return node.kind !== 'number' || Number(node.raw) <= (value as number);
    case 'exclusiveMinimum':
      return node.kind !== 'number' || Number(node.raw) > (value as number);
    case 'exclusiveMaximum':
      return node.kind !== 'number' || Number(node.raw) < (value as number);
    default:
      return ANNOTATIONS.has(keyword) ? true : null;
  }
}

export function matches(schema: Schema, node: Node, root: SchemaObject): Verdict {
  if (typeof schema === 'boolean') return schema;
  const { schema: flat, conditions } = flatten(objectOf(schema), root);
  const verdicts = Object.entries(flat).map(([keyword, value]) => ofKeyword(keyword, value, node, root));
  return all(conditions.length > 0 ? [...verdicts, null] : verdicts);
}
