import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Feed, readEvent, type CallRow } from './feed';
import { actionsIn, filterRows } from './filter';
import { afterGrowth, around, atNewest, newer, older, windowMost, windowStep } from './window';

let nextId = 1;

function feedOf(events: ReadonlyArray<[type: string, data: object]>): Feed {
  nextId = 1;
  const feed = new Feed();
  for (const [type, data] of events) push(feed, type, data);
  return feed;
}

function push(feed: Feed, type: string, data: object, id = nextId): void {
  nextId = id + 1;
  const event = readEvent(JSON.stringify({ id, type, at: '2026-11-30T13:17:31.500Z', data }));
  assert.ok(event);
  feed.add(event);
}

function callAt(feed: Feed, place: number): CallRow {
  const row = feed.rows[place];
  assert.equal(row?.kind, 'call');
  return row as CallRow;
}

test('the events of a call are one row, with its variables', () => {
  const feed = feedOf([
    ['conversation_started', { by: 'caller' }],
    ['tool_called', { tool_call_id: 'a', name: 'get', arguments: {}, source: 'console' }],
    ['request_sent', { tool_call_id: 'a' }],
    ['retry', { tool_call_id: 'a', attempt: 2, wait_ms: 10, cause: '503' }],
    ['response_received', { tool_call_id: 'a', status_code: 200 }],
    ['variable_set', { name: 'x', source: { by: 'call', tool_call_id: 'a', action: 'get' } }],
    ['variable_set', { name: 'y', source: { by: 'caller' } }],
  ]);
  assert.deepEqual(feed.rows.map((row) => row.kind), ['event', 'call', 'event']);
  const call = callAt(feed, 1);
  assert.equal(call.events.length, 5);
  assert.deepEqual([call.outcome, call.source, call.retries, call.statusCode], ['success', 'console', 1, 200]);
});

test('an error after a response is an error with its status', () => {
  const feed = feedOf([
    ['tool_called', { tool_call_id: 'a', name: 'get' }],
    ['response_received', { tool_call_id: 'a', status_code: 503 }],
    ['error', { tool_call_id: 'a', name: 'get', code: 'upstream_error' }],
  ]);
  const call = callAt(feed, 0);
  assert.deepEqual([call.outcome, call.statusCode, call.errorCode], ['upstream_error', 503, 'upstream_error']);
});

test('outcomes have the names of Try', () => {
  const outcomeOf = (...events: [string, object][]) =>
    callAt(feedOf(events.map(([type, data]) => [type, { tool_call_id: 'a', name: 'get', ...data }])), 0).outcome;
  const called: [string, object] = ['tool_called', {}];
  const sent: [string, object] = ['request_sent', {}];
  const answered: [string, object] = ['response_received', { status_code: 200 }];
  const failed: [string, object] = ['error', { code: 'x' }];
  assert.equal(outcomeOf(called, sent, answered), 'success');
  // An action that sends nothing has a response all the same.
  assert.equal(outcomeOf(called, answered), 'success');
  assert.equal(outcomeOf(called, sent, answered, failed), 'upstream_error');
  assert.equal(outcomeOf(called, sent, failed), 'no_answer');
  assert.equal(outcomeOf(called, sent), 'no_answer');
  assert.equal(outcomeOf(called, failed), 'not_sent');
  // The beginning may be given up.
  assert.equal(outcomeOf(failed), 'no_answer');
});

test('an id that comes again begins another row', () => {
  const feed = feedOf([
    ['tool_called', { tool_call_id: 'a', name: 'get' }],
    ['response_received', { tool_call_id: 'a', status_code: 200 }],
    ['replay', { tool_call_id: 'a', name: 'get', first_tool_call_id: 'a' }],
    ['tool_called', { tool_call_id: 'a', name: 'put' }],
    ['error', { tool_call_id: 'a', name: 'put', code: 'timeout' }],
  ]);
  assert.deepEqual(feed.rows.map((row) => (row as CallRow).outcome), ['success', 'replay', 'not_sent']);
});

test('the rest of a call whose beginning is given up is a row of its own', () => {
  const feed = feedOf([]);
  feed.gap(7);
  push(feed, 'response_received', { tool_call_id: 'a', status_code: 200 }, 7);
  push(feed, 'variable_set', { name: 'x', source: { tool_call_id: 'a' } });
  assert.deepEqual(feed.rows.map((row) => row.kind), ['gap', 'call']);
  assert.equal(callAt(feed, 1).events.length, 2);
});

test('events that are there already are not added', () => {
  const feed = feedOf([['ended', { by: 'caller' }]]);
  push(feed, 'ended', { by: 'caller' }, 1);
  assert.equal(feed.eventCount, 1);
});

test('numbers that begin anew are taken after a gap', () => {
  const feed = feedOf([['ended', {}], ['variable_set', {}]]);
  feed.gap(1);
  push(feed, 'conversation_started', {}, 1);
  assert.equal(feed.newest, 1);
  assert.deepEqual(feed.rows.map((row) => row.kind), ['event', 'event', 'gap', 'event']);
  assert.equal(new Set(feed.rows.map((row) => row.key)).size, 4);
});

test('the duration is that of the phases, else between the events', () => {
  const feed = feedOf([
    ['tool_called', { tool_call_id: 'a', name: 'get' }],
    ['error', { tool_call_id: 'a', phases: [{ phase: 'connect', attempt: 1, start_ms: 2, ms: 40.5 }] }],
  ]);
  assert.equal(callAt(feed, 0).durationMs, 42.5);
});

test('what is no event is left out', () => {
  assert.equal(readEvent('{'), null);
  assert.equal(readEvent('[]'), null);
  assert.equal(readEvent('{"id":"1"}'), null);
  assert.deepEqual(readEvent('{"id":1}')?.data, {});
});

test('filters leave calls of an action and an outcome, and gaps', () => {
  const feed = feedOf([
    ['conversation_started', {}],
    ['tool_called', { tool_call_id: 'a', name: 'get' }],
    ['error', { tool_call_id: 'a' }],
    ['tool_called', { tool_call_id: 'b', name: 'put' }],
    ['response_received', { tool_call_id: 'b', status_code: 200 }],
  ]);
  feed.gap(9);
  assert.deepEqual(actionsIn(feed.rows), ['get', 'put']);
  assert.equal(filterRows(feed.rows, { action: '', outcome: '' }), feed.rows);
  assert.equal(filterRows(feed.rows, { action: 'put', outcome: '' }).length, 2);
  assert.equal(filterRows(feed.rows, { action: 'put', outcome: 'not_sent' }).length, 1);
  assert.equal(filterRows(feed.rows, { action: '', outcome: 'not_sent' }).length, 2);
});

test('the window follows a reader at the newest end, and stays for others', () => {
  const first = atNewest(1000);
  assert.deepEqual(first, { start: 900, end: 1000 });
  assert.deepEqual(afterGrowth(first, 1010, true), { start: 910, end: 1010 });
  assert.deepEqual(afterGrowth(first, 1010, false), first);
});

test('the window never holds more rows than it may', () => {
  let window = atNewest(5000);
  for (let i = 0; i < 60; i += 1) {
    window = older(window);
    assert.ok(window.end - window.start <= windowMost);
  }
  assert.equal(window.start, 0);
  for (let i = 0; i < 60; i += 1) {
    window = newer(window, 5000);
    assert.ok(window.end - window.start <= windowMost);
  }
  assert.equal(window.end, 5000);
});

test('a window around a row has the row in it, and no place that is not there', () => {
  for (const [place, total] of [[0, 1], [0, 500], [250, 500], [499, 500], [30, 60]] as const) {
    const { start, end } = around(place, total);
    assert.ok(start <= place && place < end, `${place} of ${total}: ${start} to ${end}`);
    assert.ok(start >= 0 && end <= total);
    assert.equal(end - start, Math.min(windowStep, total));
  }
});
