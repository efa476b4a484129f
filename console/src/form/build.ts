// The JSON that a form stands for. Numbers and raw JSON go into it as they were typed.
import { notJson } from '../json/where';
import type { Schema, SchemaObject } from '../types';
import type { Draft, Entry, Mode } from './draft';
import { child } from './pointer';
import { type Scope, type Shape, shapeOf } from './shape';

/** A field whose raw JSON cannot be read. */
export interface Unreadable {
  pointer: string;
  sentence: string;
}

export interface Built {
  /** The JSON; undefined where everything is left out. */
  json: string | undefined;
  unreadable: Unreadable[];
}

const MOST_DEPTH = 64;
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

interface Walk extends Scope {
  draft: Draft;
  unreadable: Unreadable[];
}

export function scopeOf(root: SchemaObject, draft: Draft): Scope {
  const walk: Walk = {
    root,
    draft,
    unreadable: [],
    build: (schema, pointer) => value(walk, schema, pointer, true, 0),
  };
  return walk;
}

/** The arguments of a call: `{}` where everything is left out. */
export function build(root: SchemaObject, draft: Draft): Built {
  const walk = { ...scopeOf(root, draft), draft, unreadable: [] } as Walk;
  const json = value(walk, root, '', true, 0);
  return { json: json ?? '{}', unreadable: walk.unreadable };
}

/** How a field is sent as long as nobody has chosen: what is required and has parts is there, the rest is left out. */
export function modeOf(entry: Entry | undefined, shape: Shape, required: boolean): Mode {
  if (entry?.mode) return entry.mode === 'null' && !shape.nullable ? 'null' : entry.mode;
  if (!required) return 'absent';
  return ['object', 'array', 'const', 'choice', 'raw'].includes(shape.kind) ? 'value' : 'absent';
}

/** The variant that is chosen of a choice that stands `depth` choices deep at the same place. */
export function chosenVariant(entry: Entry | undefined, depth: number, variants: number): number {
  const chosen = entry?.variant?.[depth] ?? 0;
  return chosen < variants ? chosen : 0;
}

function value(
  walk: Walk,
  schema: Schema,
  pointer: string,
  required: boolean,
  depth: number,
  choice = 0,
): string | undefined {
  if (depth > MOST_DEPTH) return undefined;
  const entry = walk.draft[pointer];
  if (entry?.mode === 'raw') return raw(walk, entry, pointer);
  if (entry?.mode === 'null') return 'null';
  if (entry?.mode === 'absent') return undefined;
  const shape = shapeOf(walk, schema, pointer);
  if (modeOf(entry, shape, required) === 'absent') return undefined;
  switch (shape.kind) {
    case 'const':
      return shape.json;
    case 'text':
      return JSON.stringify(entry?.text ?? '');
    case 'number':
      // What is no number goes as a text: the gateway says what is wrong with it.
      return NUMBER.test(entry?.text ?? '') ? entry?.text : JSON.stringify(entry?.text ?? '');
    case 'enum':
      return chosenJson(entry);
    case 'raw':
      return raw(walk, entry ?? {}, pointer);
    case 'object':
      return object(walk, shape, pointer, entry, depth);
    case 'array':
      return array(walk, shape, pointer, entry, depth);
    case 'choice': {
      const variant = shape.variants[chosenVariant(entry, choice, shape.variants.length)];
      return variant ? value(walk, variant.schema, pointer, true, depth + 1, choice + 1) : undefined;
    }
  }
}

function chosenJson(entry: Entry | undefined): string | undefined {
  if (entry?.json !== undefined) return entry.json;
  return entry?.text !== undefined ? JSON.stringify(entry.text) : undefined;
}

function raw(walk: Walk, entry: Entry, pointer: string): string | undefined {
  const text = (entry.raw ?? '').trim();
  if (text === '') return undefined;
  // The place is told in the text as it is typed.
  const sentence = notJson(entry.raw ?? '');
  if (sentence === null) return text;
  walk.unreadable.push({ pointer, sentence });
  return undefined;
}

function object(
  walk: Walk,
  shape: Shape & { kind: 'object' },
  pointer: string,
  entry: Entry | undefined,
  depth: number,
): string {
  const members: string[] = [];
  const add = (name: string, schema: Schema, required: boolean) => {
    const json = value(walk, schema, child(pointer, name), required, depth + 1);
    if (json !== undefined) members.push(`${JSON.stringify(name)}:${json}`);
  };
  for (const property of shape.properties) add(property.name, property.schema, property.required);
  for (const name of extraNames(shape, entry)) add(name, extraSchema(shape), true);
  return `{${members.join(',')}}`;
}

/** Members that the schema does not name and a person has added. */
export function extraNames(shape: Shape & { kind: 'object' }, entry: Entry | undefined): string[] {
  const named = new Set(shape.properties.map((property) => property.name));
  return (entry?.extra ?? []).filter((name) => !named.has(name));
}

export function extraSchema(shape: Shape & { kind: 'object' }): Schema {
  return shape.extra === false ? true : shape.extra;
}

export function itemCount(shape: Shape & { kind: 'array' }, entry: Entry | undefined): number {
  const least = Math.max(shape.least, shape.prefix.length);
  return entry?.count ?? Math.min(least, 20);
}

export function itemSchema(shape: Shape & { kind: 'array' }, index: number): Schema {
  return shape.prefix[index] ?? (shape.items === false ? true : shape.items);
}

function array(
  walk: Walk,
  shape: Shape & { kind: 'array' },
  pointer: string,
  entry: Entry | undefined,
  depth: number,
): string {
  const items: string[] = [];
  for (let index = 0; index < itemCount(shape, entry); index += 1) {
    items.push(item(walk, itemSchema(shape, index), child(pointer, index), depth));
  }
  return `[${items.join(',')}]`;
}

/** An item is always there; one that nobody has filled in is an empty text, which the gateway judges. */
function item(walk: Walk, schema: Schema, pointer: string, depth: number): string {
  return value(walk, schema, pointer, true, depth + 1) ?? '""';
}
