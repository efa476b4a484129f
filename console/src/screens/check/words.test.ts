import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clockText, reasonText } from './words';

test('a time of today is hour and minute', () => {
  const at = new Date(2026, 10, 30, 14, 33, 20);
  assert.equal(clockText(at.toISOString(), new Date(2026, 10, 30, 18, 0)), '14:33');
  assert.match(clockText(at.toISOString(), new Date(2026, 11, 1, 9, 0)), /2026.*, 14:33$/);
  assert.equal(clockText('x'), 'x');
});

test('a reason stands for itself', () => {
  assert.equal(reasonText('reload refused: the store is locked'), 'the store is locked');
});
