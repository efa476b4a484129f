import assert from 'node:assert/strict';
import { test } from 'node:test';

import { HEADINGS, kindOf, nameOf } from './kinds';

test('the folder says the kind', () => {
  assert.equal(kindOf('actions/get_order.yaml'), 'action');
  assert.equal(kindOf('agents/front_desk.yaml'), 'agent');
  assert.equal(kindOf('connections/orders.json'), 'connection');
  assert.equal(kindOf('auth/orders.yml'), 'auth');
  assert.equal(kindOf('variables.toml'), 'variables');
});

test('settings, secrets and folders are no definitions', () => {
  for (const file of ['secrets.toml', 'callgate.toml', 'agents', 'agents/', 'schemas/agent.schema.json', '', '/a.yaml'])
    assert.equal(kindOf(file), null, file);
});

test('agents have a heading of their own', () => {
  assert.deepEqual(
    HEADINGS.map(([, label]) => label),
    ['Actions', 'Agents', 'Connections', 'Auth connectors', 'Variables'],
  );
});

test('the name is that of the file', () => {
  assert.equal(nameOf('agents/front_desk.yaml'), 'front_desk');
  assert.equal(nameOf('variables.toml'), 'variables');
});
