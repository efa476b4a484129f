import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SchemaObject } from '../types';
import { build, scopeOf } from './build';
import { type Draft, withoutItem } from './draft';
import { describeType } from './describe';
import { firstDraft, load } from './load';
import { place, shownFields } from './place';
import { shapeOf } from './shape';
import { Digits, jsonText, parseKeepingDigits } from './value';

function json(schema: SchemaObject, draft: Draft): string | undefined {
  return build(schema, draft).json;
}

const PERSON: SchemaObject = {
  type: 'object',
  properties: {
    'id.with/dots~"ü': { type: 'integer' },
    note: { type: ['string', 'null'] },
    address: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
  required: ['id.with/dots~"ü'],
};

test('a field is left out, null or a value', () => {
  assert.equal(json(PERSON, {}), '{}');
  assert.equal(json(PERSON, { '/note': { mode: 'null' } }), '{"note":null}');
  assert.equal(json(PERSON, { '/note': { mode: 'value', text: '' } }), '{"note":""}');
  assert.equal(json(PERSON, { '/address': { mode: 'value' } }), '{"address":{}}');
  assert.equal(json(PERSON, { '/address/city': { mode: 'value', text: 'Bonn' } }), '{}');
});

test('a number keeps its digits and a name its characters', () => {
  const draft: Draft = { '/id.with~1dots~0"ü': { mode: 'value', text: '9007199254740993' } };
  assert.equal(json(PERSON, draft), '{"id.with/dots~\\"ü":9007199254740993}');
  assert.equal(json(PERSON, { '/id.with~1dots~0"ü': { mode: 'value', text: '007' } }), '{"id.with/dots~\\"ü":"007"}');
});

test('what is loaded is what is built', () => {
  const texts = [
    '{"id.with/dots~\\"ü":12345678901234567890,"note":null,"address":{"city":"Bonn"}}',
    '{"note":7,"address":"none"}',
    '{"other":{"a":[1,2.50]},"x/y":"z"}',
  ];
  for (const text of texts) {
    const built = json(PERSON, load(PERSON, text)) ?? '';
    assert.equal(built.replace(/\s/g, ''), text.replace(/\s/g, ''));
  }
});

test('raw JSON that cannot be read is not sent, and says so', () => {
  const built = build(PERSON, { '/address': { mode: 'raw', raw: '{"city": ' } });
  assert.equal(built.json, '{}');
  assert.deepEqual(
    built.unreadable,
    [{ pointer: '/address', sentence: 'Not JSON: line 1, column 10: the text ends too early: a value is expected.' }],
  );
});

const TICKET: SchemaObject = {
  type: 'object',
  properties: { category: { type: 'string', enum: ['billing', 'technical'] }, sub: { type: 'string' } },
  required: ['category', 'sub'],
  allOf: [
    {
      if: { properties: { category: { const: 'billing' } } },
      then: { properties: { sub: { enum: ['refund', 'invoice'] } } },
    },
    {
      if: { properties: { category: { const: 'technical' } } },
      then: { properties: { sub: { enum: ['login'] }, device: { type: 'string' } }, required: ['device'] },
    },
  ],
};

function subOf(draft: Draft) {
  const shape = shapeOf(scopeOf(TICKET, draft), TICKET, '');
  assert.equal(shape.kind, 'object');
  if (shape.kind !== 'object') throw new Error();
  const sub = shape.properties.find((property) => property.name === 'sub');
  const inner = shapeOf(scopeOf(TICKET, draft), sub?.schema ?? {}, '/sub');
  return { names: shape.properties.map((property) => property.name), inner };
}

test('the branch of a condition that holds adds its fields and choices', () => {
  assert.equal(subOf({}).inner.kind, 'text');
  const billing = subOf({ '/category': { mode: 'value', json: '"billing"' } });
  assert.deepEqual(billing.inner.kind === 'enum' && billing.inner.options.map((option) => option.label), [
    'refund',
    'invoice',
  ]);
  const technical = subOf({ '/category': { mode: 'value', json: '"technical"' } });
  assert.deepEqual(technical.names, ['category', 'sub', 'device']);
});

const PAYMENT: SchemaObject = {
  type: 'object',
  properties: {
    pay: {
      oneOf: [
        {
          title: 'Card',
          type: 'object',
          properties: { type: { const: 'card' }, number: { type: 'string' } },
          required: ['type'],
        },
        { title: 'Cash', type: 'object', properties: { type: { const: 'cash' } }, required: ['type'] },
        { type: 'null' },
      ],
    },
    size: { anyOf: [{ type: 'integer' }, { type: 'null' }] },
  },
};

test('a choice keeps its variant, and one with null is nullable', () => {
  const draft = load(PAYMENT, '{"pay":{"type":"cash"},"size":null}');
  assert.deepEqual(draft['/pay']?.variant, [1]);
  assert.deepEqual(draft['/size'], { mode: 'null' });
  assert.equal(json(PAYMENT, draft), '{"pay":{"type":"cash"},"size":null}');
  assert.equal(json(PAYMENT, load(PAYMENT, '{"pay":null,"size":3}')), '{"pay":null,"size":3}');
});

test('a schema that refers to itself has an end', () => {
  const tree: SchemaObject = {
    $ref: '#/$defs/node',
    $defs: { node: { type: 'object', properties: { child: { $ref: '#/$defs/node' } }, required: ['child'] } },
  };
  assert.ok((json(tree, {}) ?? '').length < 1000);
  firstDraft(tree);
  shownFields(tree, {});
  const loop: SchemaObject = { $ref: '#/$defs/a', $defs: { a: { $ref: '#/$defs/b' }, b: { $ref: '#/$defs/a' } } };
  assert.equal(shapeOf(scopeOf(loop, {}), loop, '').kind, 'raw');
});

test('a new form begins with constants, examples and defaults of what is required', () => {
  const schema: SchemaObject = {
    type: 'object',
    properties: {
      a: { type: 'string', examples: ['x'] },
      b: { enum: ['one', 'two'] },
      c: { type: 'integer', default: 3 },
      d: { type: 'string' },
      e: { const: 'fixed' },
      f: { type: 'boolean', default: true },
    },
    required: ['a', 'b', 'd', 'e', 'f'],
  };
  assert.equal(json(schema, firstDraft(schema)), '{"a":"x","e":"fixed","f":true}');
});

test('a sentence goes to the nearest field that is shown', () => {
  const shown = shownFields(PERSON, { '/address': { mode: 'raw', raw: '{}' } });
  const placed = place(
    [
      { pointer: '/address/city', sentence: 'city' },
      { pointer: '/unknown', sentence: 'unknown' },
      { pointer: '/note', sentence: 'note' },
    ],
    shown,
  );
  assert.deepEqual(
    [...placed.fields],
    [
      ['/address', ['city']],
      ['/note', ['note']],
    ],
  );
  assert.deepEqual(placed.top, ['unknown']);
});

test('when an item is removed, those behind it move up', () => {
  const draft: Draft = { '/l': { count: 3 }, '/l/0': { text: 'a' }, '/l/1/x': { text: 'b' }, '/l/2/x': { text: 'c' } };
  assert.deepEqual(withoutItem(draft, '/l', 1, 3), {
    '/l': { count: 2 },
    '/l/0': { text: 'a' },
    '/l/1/x': { text: 'c' },
  });
});

test('long numbers of a schema keep their digits where the engine tells them', () => {
  const text = '{"enum":[9007199254740993,1.5,"a"]}';
  const value = parseKeepingDigits<{ enum: [] }>(text);
  assert.ok([text, jsonText(JSON.parse(text))].includes(jsonText(value)));
});

function described(schema: SchemaObject): string {
  return describeType(shapeOf(scopeOf(schema, {}), schema, ''));
}

test('a field tells its bounds, with every digit', () => {
  const large = new Digits('9007199254740993') as unknown as number;
  assert.equal(described({ type: 'integer', minimum: 1, maximum: large }), 'integer, 1 to 9007199254740993');
  assert.equal(described({ type: 'number', exclusiveMinimum: 0, multipleOf: 0.01 }), 'number, more than 0, multiples of 0.01');
  assert.equal(described({ type: 'number', minimum: 0, exclusiveMaximum: 1 }), 'number, at least 0, less than 1');
  assert.equal(described({ type: 'string', maxLength: 5 }), 'text, up to 5 characters');
  assert.equal(described({ type: 'string', minLength: 1 }), 'text, at least 1 character');
  assert.equal(described({ type: 'array', maxItems: 3, uniqueItems: true }), 'list, up to 3 items, no repeats');
  assert.equal(described({ oneOf: [{ type: 'string' }, { type: 'object' }] }), 'one of 2 types');
  assert.equal(described({ type: ['integer', 'null'] }), 'integer or null');
});

test('a bound that a double cannot hold still bounds', () => {
  const list = { type: 'array', maxItems: new Digits('9007199254740993') as unknown as number };
  const shape = shapeOf(scopeOf(list, {}), list, '');
  assert.ok(shape.kind === 'array' && 3 < shape.most);
});
