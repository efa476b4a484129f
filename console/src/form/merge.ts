// Schemas put together: what `$ref`, `allOf` and the branches of a condition add to a schema.
import type { Json, Schema, SchemaObject } from '../types';
import { jsonText } from './value';

const MOST_STEPS = 1000;

export function objectOf(schema: Schema | undefined): SchemaObject {
  if (schema === undefined || schema === true) return {};
  return schema === false ? { not: {} } : schema;
}

function intersection(one: Json[], other: Json[]): Json[] {
  const allowed = new Set(other.map(jsonText));
  return one.filter((value) => allowed.has(jsonText(value)));
}

function typesOf(schema: SchemaObject): string[] | null {
  if (schema.type === undefined) return null;
  return Array.isArray(schema.type) ? schema.type : [schema.type];
}

function commonTypes(one: string[], other: string[]): string[] {
  const fits = (type: string, list: string[]) => list.includes(type) || (type === 'integer' && list.includes('number'));
  return [...new Set([...one.filter((type) => fits(type, other)), ...other.filter((type) => fits(type, one))])];
}

/** A schema that asks for both. Where both say the same keyword and it is no list, `added` is shown. */
export function merge(base: SchemaObject, added: SchemaObject): SchemaObject {
  const merged: SchemaObject = { ...base, ...added };
  if (base.properties && added.properties) {
    const properties: Record<string, Schema> = { ...base.properties };
    for (const [name, schema] of Object.entries(added.properties)) {
      const known = Object.hasOwn(properties, name) ? properties[name] : undefined;
      properties[name] = known === undefined || known === true ? schema : merge(objectOf(known), objectOf(schema));
    }
    merged.properties = properties;
  }
  if (base.required && added.required) merged.required = [...new Set([...base.required, ...added.required])];
  if (base.enum && added.enum) merged.enum = intersection(base.enum, added.enum);
  const [types, moreTypes] = [typesOf(base), typesOf(added)];
  if (types && moreTypes) merged.type = commonTypes(types, moreTypes);
  if (base.allOf && added.allOf) merged.allOf = [...base.allOf, ...added.allOf];
  if (base.if !== undefined && added.if !== undefined) {
    merged.allOf = [...(merged.allOf ?? []), { if: base.if, then: base.then, else: base.else }];
    Object.assign(merged, { if: added.if, then: added.then, else: added.else });
  }
  return merged;
}

function target(ref: string, root: SchemaObject): Schema | null {
  if (ref === '#') return root;
  if (!ref.startsWith('#/')) return null;
  let at: unknown = root;
  for (const part of decodeURIComponent(ref.slice(2)).split('/')) {
    const name = part.replaceAll('~1', '/').replaceAll('~0', '~');
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, name)) return null;
    at = (at as Record<string, unknown>)[name];
  }
  return typeof at === 'boolean' || (typeof at === 'object' && at !== null && !Array.isArray(at))
    ? (at as Schema)
    : null;
}

export interface Condition {
  if: Schema;
  then?: Schema;
  else?: Schema;
}

export interface Flat {
  schema: SchemaObject;
  conditions: Condition[];
}

/** The schema without `$ref`, `allOf` and `if`; the conditions stand apart. Throws where that has no end. */
export function flatten(schema: Schema, root: SchemaObject): Flat {
  const conditions: Condition[] = [];
  let flat: SchemaObject = {};
  const open: SchemaObject[] = [objectOf(schema)];
  for (let steps = 0; open.length > 0; steps += 1) {
    if (steps > MOST_STEPS) throw new Error('The schema refers to itself without end.');
    const { $ref, allOf, if: condition, then, else: otherwise, ...rest } = open.shift() as SchemaObject;
    flat = merge(flat, rest);
    if (condition !== undefined) conditions.push({ if: condition, then, else: otherwise });
    if ($ref !== undefined) {
      const found = target($ref, root);
      if (found === null) throw new Error(`The schema refers to \`${$ref}\`, which is not there.`);
      // What stands beside `$ref` is closer to the field, so it is shown.
      flat = merge(objectOf(found), flat);
      const { $ref: next, allOf: more, if: inner, then: yes, else: no, ...plain } = flat;
      flat = plain;
      if (next !== undefined) open.unshift({ $ref: next });
      if (more) open.push(...more.map(objectOf));
      if (inner !== undefined) conditions.push({ if: inner, then: yes, else: no });
    }
    if (allOf) open.push(...allOf.map(objectOf));
  }
  return { schema: flat, conditions };
}
