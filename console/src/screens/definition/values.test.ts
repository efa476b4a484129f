import assert from 'node:assert/strict';
import { test } from 'node:test';

import { parseReference, referenceAt, referencesOf } from '../../components/references';
import { type ValueSources, valueOf } from './values';

const sources: ValueSources = {
  conversation:
    '{"id":"c1","started_at":"2026-11-30T10:00:00Z","variables":{"order.id":{"value":9007199254740993,"sensitive":false},"order.items":{"value":[{"sku":"a"}],"sensitive":false},"pin":{"value":"***","sensitive":true}}}',
  conversationId: 'c1',
  environment: 'development',
  arguments: '{"email":"ann@example.com","n":1.50}',
  statics: { REGION: 'eu' },
  bound: new Set(['phone']),
};

test('references are found in templates alone', () => {
  assert.deepEqual(
    referencesOf('a .parameters.x\nb "{{.parameters.x}}" {{- if eq .variables.a.b 1}} {{/* .parameters.y */}}'),
    [
      { reference: '.parameters.x', line: 2, column: 6 },
      { reference: '.variables.a.b', line: 2, column: 33 },
    ],
  );
  assert.equal(referenceAt('x {{index .variables "odd name" 0}}', 10)?.reference, 'index .variables "odd name" 0');
  assert.equal(referenceAt('x {{.parameters.a}}', 1), null);
});

test('references are read', () => {
  assert.deepEqual(parseReference('.variables.order.id'), { root: 'variables', path: ['order', 'id'] });
  assert.deepEqual(parseReference('index $.variables.order "a b" 0'), {
    root: 'variables',
    path: ['order', 'a b', '0'],
  });
  assert.deepEqual(parseReference('.parameters'), { root: 'parameters', path: [] });
});

test('values keep their digits', () => {
  assert.equal(valueOf('.variables.order.id', sources)?.json, '9007199254740993');
  assert.equal(valueOf('.parameters.n', sources)?.json, '1.50');
});

test('values inside of variables, and variables inside of names', () => {
  assert.equal(valueOf('index .variables.order.items 0 "sku"', sources)?.json, '"a"');
  assert.equal(valueOf('.variables.order', sources)?.json, '{\n  "id": 9007199254740993,\n  "items": [{"sku":"a"}]\n}');
  assert.equal(valueOf('.variables.conversation.id', sources)?.json, '"c1"');
  assert.equal(valueOf('.static_variables.REGION', sources)?.json, '"eu"');
});

test('what is not there says so', () => {
  assert.equal(valueOf('.variables.nothing', sources)?.note, 'not set');
  assert.equal(valueOf('.parameters.x', { ...sources, arguments: null })?.note, 'nothing is typed in Try');
  assert.equal(valueOf('.variables.pin', sources)?.note, 'sensitive, so it is masked');
  assert.equal(valueOf('.static_variables.X', sources)?.note, 'not set in this environment');
  assert.equal(valueOf('.static_variables.X', { ...sources, statics: null })?.note, 'not known here');
  assert.equal(valueOf('.variables.x', { ...sources, conversation: null })?.note, 'there is no such conversation yet');
});

test('what the action binds is no argument', () => {
  const bound = { from: 'bound by the action', json: null, note: null };
  assert.deepEqual(valueOf('.parameters.phone', sources), bound);
  assert.deepEqual(valueOf('.parameters.phone', { ...sources, arguments: null }), bound);
  assert.equal(valueOf('.parameters.email', sources)?.from, 'argument typed in Try');
});
