import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bars, quantile } from './latency';

const buckets = [
  { le_ms: 5, calls: 3 },
  { le_ms: 10, calls: 9 },
  { le_ms: null, calls: 12 },
];

test('bars are the buckets by themselves', () => {
  assert.deepEqual(bars(buckets), [
    { over_ms: 0, upto_ms: 5, calls: 3 },
    { over_ms: 5, upto_ms: 10, calls: 6 },
    { over_ms: 10, upto_ms: null, calls: 3 },
  ]);
});

test('a quantile lies on a line within its bucket', () => {
  assert.deepEqual(quantile(buckets, 0.5), { ms: 7.5, atLeast: false });
});

test('a quantile without bound is at least the last bound', () => {
  assert.deepEqual(quantile(buckets, 0.95), { ms: 10, atLeast: true });
});

test('no calls have no quantile', () => {
  assert.equal(quantile([], 0.5), null);
  assert.equal(quantile([{ le_ms: 5, calls: 0 }], 0.5), null);
});
