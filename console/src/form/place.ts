// Which field a sentence of the gateway belongs to.
import type { Schema, SchemaObject } from '../types';
import { chosenVariant, extraNames, extraSchema, itemCount, itemSchema, modeOf, scopeOf } from './build';
import type { Draft } from './draft';
import { child, parentOf } from './pointer';
import { type Scope, shapeOf } from './shape';

export interface Placed {
  /** Sentences by the pointer of the field that shows them. */
  fields: Map<string, string[]>;
  /** Sentences for which there is no field. */
  top: string[];
}

/** The pointers of all fields that the form shows. */
export function shownFields(root: SchemaObject, draft: Draft): Set<string> {
  const shown = new Set<string>();
  visit(scopeOf(root, draft), draft, root, '', true, shown, 0, 0);
  return shown;
}

function visit(
  scope: Scope,
  draft: Draft,
  schema: Schema,
  pointer: string,
  required: boolean,
  shown: Set<string>,
  depth: number,
  choice: number,
): void {
  shown.add(pointer);
  if (depth > 64) return;
  const entry = draft[pointer];
  const shape = shapeOf(scope, schema, pointer);
  if (modeOf(entry, shape, required) !== 'value') return;
  const inner = (name: string | number, innerSchema: Schema, innerRequired: boolean) =>
    visit(scope, draft, innerSchema, child(pointer, name), innerRequired, shown, depth + 1, 0);
  if (shape.kind === 'object') {
    for (const property of shape.properties) inner(property.name, property.schema, property.required);
    for (const name of extraNames(shape, entry)) inner(name, extraSchema(shape), true);
  } else if (shape.kind === 'array') {
    for (let index = 0; index < itemCount(shape, entry); index += 1) inner(index, itemSchema(shape, index), true);
  } else if (shape.kind === 'choice') {
    const variant = shape.variants[chosenVariant(entry, choice, shape.variants.length)];
    if (variant) visit(scope, draft, variant.schema, pointer, true, shown, depth + 1, choice + 1);
  }
}

/** Gives each sentence to its field, or else to the nearest one around it. */
export function place(sentences: { pointer: string; sentence: string }[], shown: Set<string>): Placed {
  const placed: Placed = { fields: new Map(), top: [] };
  for (const { pointer, sentence } of sentences) {
    let at = pointer;
    while (at !== '' && !shown.has(at)) at = parentOf(at);
    if (at === '') placed.top.push(sentence);
    else placed.fields.set(at, [...(placed.fields.get(at) ?? []), sentence]);
  }
  return placed;
}
