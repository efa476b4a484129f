// What kind of field a schema is shown as.
import { tryParse } from '../json/index';
import type { Json, Schema, SchemaObject } from '../types';
import { type Condition, flatten, merge, objectOf } from './merge';
import { matches } from './matches';
import { jsonText, typeOf } from './value';

export interface Variant {
  title: string;
  schema: SchemaObject;
}

export interface Property {
  name: string;
  schema: Schema;
  required: boolean;
}

export type Kind =
  | { kind: 'text'; format: string | null; long: boolean }
  | { kind: 'number'; integer: boolean }
  | { kind: 'enum'; options: { json: string; label: string }[] }
  | { kind: 'const'; json: string }
  | { kind: 'object'; properties: Property[]; extra: Schema }
  | { kind: 'array'; items: Schema; prefix: Schema[]; more: boolean; least: number; most: number }
  | { kind: 'choice'; variants: Variant[] }
  | { kind: 'raw'; why: string | null };

export type Shape = Kind & { schema: SchemaObject; nullable: boolean };

/** What a schema is looked at with. `build` gives the JSON of a field as it stands, for conditions. */
export interface Scope {
  root: SchemaObject;
  build: (schema: Schema, pointer: string) => string | undefined;
}

const MOST_ROUNDS = 4;
const LONG_TEXT = 200;

/** The shape of the field at `pointer`. */
export function shapeOf(scope: Scope, schema: Schema, pointer: string): Shape {
  try {
    let { schema: flat, conditions } = flatten(schema, scope.root);
    for (let round = 0; conditions.length > 0 && round < MOST_ROUNDS; round += 1) {
      const branches = branchesOf(scope, flat, conditions, pointer);
      const next = flatten({ ...flat, allOf: branches }, scope.root);
      ({ schema: flat, conditions } = next);
    }
    return shapeOfFlat(flat, scope.root);
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    const why = `The form cannot show this part of the schema: ${cause}`;
    return { kind: 'raw', why, schema: objectOf(schema), nullable: false };
  }
}

function branchesOf(scope: Scope, flat: SchemaObject, conditions: Condition[], pointer: string): Schema[] {
  const text = scope.build(flat, pointer);
  const value = text === undefined ? undefined : tryParse(text);
  if (!value) return [];
  return conditions.flatMap((condition) => {
    const verdict = matches(condition.if, value, scope.root);
    const branch = verdict === true ? condition.then : verdict === false ? condition.else : undefined;
    return branch === undefined ? [] : [branch];
  });
}

function typesOf(schema: SchemaObject): string[] {
  if (schema.type === undefined) return [];
  return Array.isArray(schema.type) ? schema.type : [schema.type];
}

function isNull(schema: Schema): boolean {
  if (typeof schema === 'boolean') return false;
  return schema.type === 'null' || schema.const === null || (schema.enum?.length === 1 && schema.enum[0] === null);
}

function shapeOfFlat(schema: SchemaObject, root: SchemaObject): Shape {
  const make = (kind: Kind, nullable = false): Shape => ({ ...kind, schema, nullable });
  if (schema.const !== undefined) return make({ kind: 'const', json: jsonText(schema.const) });
  if (schema.enum) return enumShape(schema, make);

  const choices = schema.oneOf ?? schema.anyOf;
  if (choices) return choiceShape(schema, choices, root);

  const types = typesOf(schema);
  const others = types.filter((type) => type !== 'null');
  const nullable = types.includes('null');
  if (others.length > 1) {
    const variants = others.map((type) => ({ title: type, schema: { ...schema, type } }));
    return make({ kind: 'choice', variants }, nullable);
  }
  return make(kindOfType(others[0] ?? guessedType(schema), schema, nullable), nullable);
}

function guessedType(schema: SchemaObject): string | undefined {
  if (schema.properties || schema.required) return 'object';
  if (schema.items !== undefined || schema.prefixItems) return 'array';
  if (schema.format || schema.pattern || schema.minLength !== undefined || schema.maxLength !== undefined)
    return 'string';
  if (schema.minimum !== undefined || schema.maximum !== undefined) return 'number';
  return undefined;
}

function kindOfType(type: string | undefined, schema: SchemaObject, nullable: boolean): Kind {
  switch (type) {
    case 'string':
      return {
        kind: 'text',
        format: schema.format ?? null,
        long: (schema.maxLength ?? 0) > LONG_TEXT && !schema.format,
      };
    case 'integer':
    case 'number':
      return { kind: 'number', integer: type === 'integer' };
    case 'boolean':
      return { kind: 'enum', options: [option(true), option(false)] };
    case 'object':
      return objectKind(schema);
    case 'array': {
      const prefix = schema.prefixItems ?? [];
      return {
        kind: 'array',
        prefix,
        items: schema.items ?? true,
        more: schema.items !== false,
        least: Math.max(schema.minItems ?? 0, 0),
        most: schema.maxItems ?? Number.POSITIVE_INFINITY,
      };
    }
    default:
      if (nullable) return { kind: 'const', json: 'null' };
      return { kind: 'raw', why: explain(schema) };
  }
}

function explain(schema: SchemaObject): string | null {
  if (Object.keys(schema).every((keyword) => ['title', 'description', 'default', 'examples'].includes(keyword))) {
    return 'The schema takes any value here.';
  }
  return 'The form cannot show this part of the schema. Type it as JSON.';
}

function option(value: Json): { json: string; label: string } {
  return { json: jsonText(value), label: typeof value === 'string' && value !== '' ? value : jsonText(value) };
}

function enumShape(schema: SchemaObject, make: (kind: Kind, nullable?: boolean) => Shape): Shape {
  const types = typesOf(schema);
  const allowed = (schema.enum ?? []).filter((value) => {
    const type = typeOf(value);
    return types.length === 0 || types.includes(type) || (type === 'integer' && types.includes('number'));
  });
  const options = allowed.filter((value) => value !== null).map(option);
  // Two values that read the same, such as "1" and 1, are told apart by their JSON.
  for (const one of options) {
    if (options.some((other) => other !== one && other.label === one.label)) one.label = one.json;
  }
  return make({ kind: 'enum', options }, allowed.includes(null));
}

function choiceShape(schema: SchemaObject, choices: Schema[], root: SchemaObject): Shape {
  const { oneOf: _one, anyOf: _any, ...base } = schema;
  // Where a schema has both, the other one stays for the gateway to look at.
  const types = typesOf(schema);
  const flat = choices.map((choice) => flatten(choice, root));
  const nullable = flat.some((choice) => isNull(choice.schema)) && (types.length === 0 || types.includes('null'));
  const kept = flat.filter((choice) => !isNull(choice.schema));
  const make = (kind: Kind, alsoNull = nullable): Shape => ({ ...kind, schema, nullable: alsoNull });

  if (kept.length > 0 && kept.every((choice) => choice.schema.const !== undefined)) {
    const options = kept.map(({ schema: { const: value, title } }) => {
      const plain = option(value as Json);
      return title && title !== plain.label ? { ...plain, label: `${title} (${plain.label})` } : plain;
    });
    return make({ kind: 'enum', options });
  }
  const variants = kept.map((choice, index) => {
    const merged = merge(base, choice.schema);
    const withConditions = choice.conditions.length > 0 ? { ...merged, allOf: choice.conditions as Schema[] } : merged;
    return { title: titleOf(choice.schema, index), schema: withConditions };
  });
  const [only] = variants;
  if (only && variants.length === 1) {
    const shape = shapeOfFlat(only.schema, root);
    return { ...shape, nullable: shape.nullable || nullable };
  }
  return make({ kind: 'choice', variants });
}

/** What a variant is called: its title, what is constant in it, what it requires, or its type. */
function titleOf(schema: SchemaObject, index: number): string {
  if (schema.title) return schema.title;
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const value = objectOf(property).const;
    if (value !== undefined) return `${name}: ${option(value).label}`;
  }
  if (schema.required?.length && !schema.type) return `with ${schema.required.join(', ')}`;
  if (schema.properties) return `object: ${Object.keys(schema.properties).slice(0, 3).join(', ')}`;
  const type = typesOf(schema).join(' or ');
  if (schema.enum) return schema.enum.slice(0, 3).map(jsonText).join(', ');
  if (type) return schema.format ? `${type} (${schema.format})` : type;
  return `variant ${index + 1}`;
}

function objectKind(schema: SchemaObject): Kind {
  const required = new Set(schema.required ?? []);
  const named = Object.entries(schema.properties ?? {});
  const properties = named
    .filter(([name, property]) => property !== false || required.has(name))
    .map(([name, property]) => ({ name, schema: property, required: required.has(name) }));
  for (const name of required) {
    if (!Object.hasOwn(schema.properties ?? {}, name)) {
      properties.push({ name, schema: schema.additionalProperties ?? true, required: true });
    }
  }
  return {
    kind: 'object',
    properties,
    extra: schema.additionalProperties ?? (schema.unevaluatedProperties as Schema) ?? true,
  };
}
