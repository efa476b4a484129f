import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withoutHidden } from './hide';
import { bounded, type Run } from './run';

function run(id: string, result: string): Run {
  return {
    id,
    at: 0,
    call: { environment: 'development', name: 'a', arguments: '{}' },
    method: 'GET',
    write: false,
    request: null,
    curl: null,
    said: [],
    startedMs: null,
    result,
    inspection: null,
    endedMs: 1,
    failed: null,
    cancellation: null,
    notInspected: null,
    dropped: false,
  };
}

test('the newest calls are kept as far as there is room', () => {
  const body = JSON.stringify({ status: 'success', body: 'x'.repeat(300_000) });
  const kept = bounded(Array.from({ length: 40 }, (_, index) => run(`r${index}`, body)));
  assert.deepEqual(
    kept.map((one) => one.id),
    ['r0', 'r1', 'r2'],
  );
  assert.equal(bounded(Array.from({ length: 40 }, (_, index) => run(`r${index}`, '{}'))).length, 30);
});

test('an answer that is too large is dropped, its outcome is not', () => {
  const [kept] = bounded([run('r', JSON.stringify({ status: 'success', body: 'x'.repeat(500_000) }))]);
  assert.equal(kept?.dropped, true);
  assert.deepEqual(JSON.parse(kept?.result ?? ''), { status: 'success', body: null });
});

test('what the gateway hides among the arguments is hidden wherever it was repeated', () => {
  const typed = '{"pin":"12\\"34","card":{"number":1234567890123456789},"ok":"yes"}';
  const masked = '{"pin":"***","card":"***","ok":"yes"}';
  const text = 'echo 12"34, {"pin":"12\\"34"}, 1234567890123456789, yes';
  assert.equal(withoutHidden(text, typed, masked), 'echo ***, {"pin":"***"}, ***, yes');
});
