// JSON put into the fields of a form, and what a new form begins with.
import { memberOf, type Node, parse, pretty, print } from '../json/index';
import type { Schema, SchemaObject } from '../types';
import { scopeOf } from './build';
import type { Draft, Entry } from './draft';
import { matches } from './matches';
import { flatten } from './merge';
import { child } from './pointer';
import { type Shape, shapeOf } from './shape';
import { jsonText } from './value';

const MOST_DEPTH = 64;

/** The draft that stands for `json`. What does not fit a field becomes raw JSON there; nothing is dropped. */
export function load(root: SchemaObject, json: string): Draft {
  const draft: Draft = {};
  put(root, draft, root, parse(json), '', 0, 0);
  return draft;
}

/** The same for a part of a form; `draft` holds the rest of it. */
export function loadAt(root: SchemaObject, draft: Draft, schema: Schema, json: string, pointer: string): Draft {
  const changed = { ...draft };
  put(root, changed, schema, parse(json), pointer, 0, 0);
  return changed;
}

function put(
  root: SchemaObject,
  draft: Draft,
  schema: Schema,
  node: Node,
  pointer: string,
  depth: number,
  choice: number,
): void {
  const keep = (entry: Entry) => {
    draft[pointer] = { ...(choice > 0 ? { variant: draft[pointer]?.variant } : {}), ...entry };
  };
  const asRaw = () => keep({ mode: 'raw', raw: pretty(node) });
  if (depth > MOST_DEPTH) return asRaw();
  // Members come before the conditions that depend on them.
  const base = shapeOf({ root, build: () => undefined }, schema, pointer);
  if (base.kind === 'object' && node.kind === 'object') {
    keep({ mode: 'value' });
    putMembers(root, draft, base, node, pointer, depth);
    const whole = shapeOf(scopeOf(root, draft), schema, pointer);
    if (whole.kind === 'object') putMembers(root, draft, whole, node, pointer, depth);
    return;
  }
  const shape = shapeOf(scopeOf(root, draft), schema, pointer);
  if (node.kind === 'null' && shape.nullable) return keep({ mode: 'null' });
  switch (shape.kind) {
    case 'text':
      return node.kind === 'string' ? keep({ mode: 'value', text: node.value }) : asRaw();
    case 'number':
      return node.kind === 'number' ? keep({ mode: 'value', text: node.raw }) : asRaw();
    case 'const':
      return print(node) === print(parse(shape.json)) ? keep({ mode: 'value' }) : asRaw();
    case 'enum': {
      const chosen = shape.options.find((option) => print(parse(option.json)) === print(node));
      return chosen ? keep({ mode: 'value', json: chosen.json }) : asRaw();
    }
    case 'array':
      if (node.kind !== 'array') return asRaw();
      keep({ mode: 'value', count: node.items.length });
      node.items.forEach((item, index) => {
        const itemSchema = shape.prefix[index] ?? shape.items;
        put(root, draft, itemSchema === false ? true : itemSchema, item, child(pointer, index), depth + 1, 0);
      });
      return;
    case 'choice': {
      const verdicts = shape.variants.map((variant) => matches(variant.schema, node, root));
      const fits = verdicts.indexOf(true) >= 0 ? verdicts.indexOf(true) : verdicts.indexOf(null);
      const index = fits >= 0 ? fits : -1;
      const variant = shape.variants[index];
      if (!variant) return asRaw();
      const chosen = [...(draft[pointer]?.variant ?? []).slice(0, choice), index];
      draft[pointer] = { ...draft[pointer], mode: 'value', variant: chosen };
      return put(root, draft, variant.schema, node, pointer, depth + 1, choice + 1);
    }
    default:
      return asRaw();
  }
}

function putMembers(
  root: SchemaObject,
  draft: Draft,
  shape: Shape & { kind: 'object' },
  node: Node & { kind: 'object' },
  pointer: string,
  depth: number,
): void {
  const named = new Set(shape.properties.map((property) => property.name));
  for (const property of shape.properties) {
    const member = memberOf(node, property.name);
    if (member) put(root, draft, property.schema, member, child(pointer, property.name), depth + 1, 0);
    else draft[child(pointer, property.name)] = { mode: 'absent' };
  }
  const others = node.members.filter((member) => !named.has(member.name));
  for (const { name, value } of others) {
    put(root, draft, shape.extra === false ? true : shape.extra, value, child(pointer, name), depth + 1, 0);
  }
  const extra = [...new Set(others.map((member) => member.name))];
  draft[pointer] = { ...draft[pointer], ...(extra.length > 0 ? { extra } : { extra: undefined }) };
}

/** What a new form begins with: for required fields what is constant, the first example or the default. */
export function firstDraft(root: SchemaObject): Draft {
  const json = sample(root, root, 0);
  return json === undefined ? {} : onlyFilled(load(root, json));
}

function onlyFilled(draft: Draft): Draft {
  return Object.fromEntries(Object.entries(draft).filter(([, entry]) => entry.mode !== 'absent'));
}

function sample(root: SchemaObject, schema: Schema, depth: number): string | undefined {
  if (depth > 8) return undefined;
  let flat: SchemaObject;
  try {
    flat = flatten(schema, root).schema;
  } catch {
    return undefined;
  }
  const given = flat.const ?? flat.examples?.[0] ?? flat.default;
  if (given !== undefined) return jsonText(given);
  if (!flat.properties) return undefined;
  const members = (flat.required ?? []).flatMap((name) => {
    const property = flat.properties && Object.hasOwn(flat.properties, name) ? flat.properties[name] : undefined;
    const json = property === undefined ? undefined : sample(root, property, depth + 1);
    return json === undefined ? [] : [`${JSON.stringify(name)}:${json}`];
  });
  return members.length > 0 ? `{${members.join(',')}}` : undefined;
}
