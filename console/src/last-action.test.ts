import assert from 'node:assert/strict';
import { test } from 'node:test';

import { actionToTry } from './last-action';

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
