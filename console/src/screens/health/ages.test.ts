import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ageText, daysUntil, day, spanText, untilText } from './ages';

test('spans are in the largest unit that fits', () => {
  const texts = [0, 59_999, 60_000, 3_599_999, 3_600_000, 2 * day - 1, 2 * day].map(spanText);
  assert.deepEqual(texts, ['1 s', '59 s', '1 min', '59 min', '1 h', '47 h', '2 days']);
});

test('ages and ends are in words', () => {
  assert.equal(ageText(1000, 2000), 'just now');
  assert.equal(ageText(0, 65_000), '1 min ago');
  assert.equal(ageText(Number.NaN, 0), 'at an unknown time');
  assert.equal(untilText(120_000, 0), 'for 2 min');
  assert.equal(untilText(0, 1), 'expired');
});

test('days count down to zero and below', () => {
  assert.equal(daysUntil('1970-01-15T00:00:00Z', 0), 14);
  assert.equal(daysUntil('1970-01-01T12:00:00Z', 0), 0);
  assert.equal(daysUntil('1969-12-31T12:00:00Z', 0), -1);
  assert.equal(daysUntil('never', 0), null);
});
