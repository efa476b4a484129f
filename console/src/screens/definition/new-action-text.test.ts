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
# Arguments for the path.
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
  assert.match(text, /\nurl: https:\/\/a\.example\/x\?y=1\nmethod: POST\n# Arguments for the JSON body\.\n/);
});

test('the comment says where the arguments go', () => {
  const textOf = (method: 'GET' | 'POST', path: string): string =>
    newActionText({ name: 'a', description: 'x', method, target: { connection: 'c', path } });
  assert.match(textOf('GET', '/orders'), /\n# Arguments for the query\.\n/);
  assert.match(textOf('POST', '/orders'), /\n# Arguments for the JSON body\.\n/);
  const held = textOf('POST', '/a/{{.parameters.shop}}/{{ .parameters.order_id }}/{{.parameters.shop}}');
  assert.match(held, /\n# Arguments for the path\.\n/);
  assert.match(held, /\n    shop: \{.*\n    order_id: \{.*\n  required: \[shop, order_id\]\n/);
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
