import assert from 'node:assert/strict';
import { test } from 'node:test';

import { faultsOf, newActionText } from './new-action-text';

test('a new action', () => {
  assert.equal(
    newActionText({
      name: 'get_invoice',
      description: '  Looks up: one invoice #1.\n  Use it. ',
      method: 'GET',
      target: { connection: 'billing', path: '/invoices/{{.parameters.id}}' },
    }),
    `name: get_invoice
description: >-
  Looks up: one invoice #1. Use it.
connection: billing
method: GET
path: "/invoices/{{.parameters.id}}"
# What the model is to say; they travel in the query.
parameters:
  type: object
  properties:
    id: {type: string, description: "What it is, with an example."}
  required: [id]
  additionalProperties: false
`,
  );
  const text = newActionText({
    name: 'true',
    description: 'x',
    method: 'POST',
    target: { url: 'https://a.example/x?y=1' },
  });
  assert.match(text, /^name: "true"\n/);
  assert.match(text, /\nurl: https:\/\/a\.example\/x\?y=1\nmethod: POST\n#/);
});

test('what is missing is told', () => {
  const target = { connection: 'c', path: 'x' };
  assert.deepEqual(Object.keys(faultsOf({ name: 'a b', description: ' ', method: 'GET', target }, [])), [
    'name',
    'description',
    'target',
  ]);
  assert.deepEqual(
    faultsOf({ name: 'a', description: 'x', method: 'GET', target: { url: 'https://a.example' } }, ['a']),
    {
      name: 'There is an action of this name.',
    },
  );
});
