import assert from 'node:assert/strict';
import { test } from 'node:test';

import { actionToTry, definedIn } from './last-action';

const known = [
  { name: 'a', file: 'actions/a.yaml' },
  { name: 'b', file: 'actions/other.yaml' },
];

test('Try goes back to the last action', () => {
  assert.equal(actionToTry({ screen: 'health', path: [] }, known, 'a'), 'a');
  assert.equal(actionToTry({ screen: 'health', path: [] }, null, 'a'), 'a');
  assert.equal(actionToTry({ screen: 'health', path: [] }, known, 'gone'), null);
  assert.equal(actionToTry({ screen: 'health', path: [] }, known, null), null);
});

test('Try goes to the action of the open definition', () => {
  assert.equal(actionToTry({ screen: 'definition', path: ['actions', 'other.yaml'] }, known, 'a'), 'b');
  assert.equal(actionToTry({ screen: 'definition', path: ['connections', 'c.yaml'] }, known, 'a'), 'a');
  assert.equal(actionToTry({ screen: 'definition', path: [] }, known, 'a'), 'a');
});

test('Chat goes to the agent of the open definition', () => {
  const agents = [{ name: 'desk', file: 'agents/front_desk.yaml' }];
  assert.equal(definedIn({ screen: 'definition', path: ['agents', 'front_desk.yaml'] }, agents), 'desk');
  assert.equal(definedIn({ screen: 'definition', path: ['agents', 'desk.yaml'] }, agents), null);
  assert.equal(definedIn({ screen: 'check', path: ['agents', 'front_desk.yaml'] }, agents), null);
  assert.equal(definedIn({ screen: 'definition', path: ['agents', 'front_desk.yaml'] }, null), null);
  assert.equal(definedIn({ screen: 'definition', path: [] }, [{ name: 'a' }]), null);
});
