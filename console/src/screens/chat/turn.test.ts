import assert from 'node:assert/strict';
import { test } from 'node:test';

import { end, newTurn, take, type HandoverPart, type PassedPart, type RoundPart, type TextPart, type Turn } from './turn';
import { callWords, costWords, endWords, roundWords, sinceText, told } from './words';

/** A turn after these events. */
function after(...events: [event: string, data: object | string][]): Turn {
  const turn = newTurn(1, 'Hello', 0);
  for (const [event, data] of events) take(turn, event, typeof data === 'string' ? data : JSON.stringify(data));
  return turn;
}

function part<T>(turn: Turn, place: number): T {
  const found = turn.parts[place];
  assert.ok(found);
  return found as T;
}

const round = { round: 1, model: 'm', first_token_ms: 40, took_ms: 90, calls: ['get'] };
const started = { tool_call_id: 'a', name: 'get', arguments: { id: 1 } };
const ended = { tool_call_id: 'a', name: 'get', status: 'success', duration_ms: 7, replayed: false, content: '{}' };

test('pieces of the model are one text, and every other text is one of its own', () => {
  const turn = after(
    ['text', { text: 'Let me ', source: 'model', at_ms: 10 }],
    ['text', { text: 'look.', source: 'model', at_ms: 20 }],
    ['text', { text: ' One moment. ', source: 'start', at_ms: 30 }],
    ['text', { text: 'Still there. ', source: 'delayed', at_ms: 40 }],
    ['text', { text: ' Here', source: 'model', at_ms: 50 }],
    ['text', { text: ' it is.', source: 'model', at_ms: 60 }],
  );
  assert.deepEqual(
    turn.parts.map((one) => (one.kind === 'text' ? [one.source, one.text, one.atMs] : one.kind)),
    [
      ['model', 'Let me look.', 10],
      ['start', 'One moment. ', 30],
      ['delayed', 'Still there. ', 40],
      ['model', 'Here it is.', 50],
    ],
  );
});

test('a text that grows changes nothing else', () => {
  const turn = after(['text', { text: 'a', source: 'model' }]);
  const parts = turn.parts;
  const change = take(turn, 'text', '{"text":"b","source":"model"}');
  assert.deepEqual(change, { kind: 'grown', part: parts[0], piece: 'b' });
  assert.equal(turn.parts, parts);
  assert.equal(take(turn, 'text', '{"text":"","source":"model"}'), null);
  assert.deepEqual(take(turn, 'round', JSON.stringify(round)), { kind: 'parts' });
  assert.notEqual(turn.parts, parts);
  // A space between rounds is no line.
  assert.equal(take(turn, 'text', '{"text":"  ","source":"model"}'), null);
});

test('a call belongs to the round before it, and keeps the digits of its arguments', () => {
  const turn = after(
    ['round', round],
    ['tool_started', '{"tool_call_id":"a","name":"get","arguments":{"id":12345678901234567890}}'],
    ['tool_ended', ended],
  );
  const { calls } = part<RoundPart>(turn, 0);
  assert.deepEqual(calls, [
    {
      id: 'a',
      name: 'get',
      arguments: '{"id":12345678901234567890}',
      isEnded: true,
      status: 'success',
      durationMs: 7,
      replayed: false,
      told: '{}',
    },
  ]);
});

test('the same call of a later round is another one', () => {
  const turn = after(
    ['round', round],
    ['tool_started', started],
    ['tool_ended', ended],
    ['round', { ...round, round: 2 }],
    ['tool_started', started],
    ['tool_ended', { ...ended, replayed: true }],
  );
  const replayed = [0, 1].map((place) => part<RoundPart>(turn, place).calls.map((call) => call.replayed));
  assert.deepEqual(replayed, [[false], [true]]);
});

test('a call that ends later does not change a call that ended before', () => {
  const turn = after(
    ['round', { ...round, calls: ['get', 'put'] }],
    ['tool_started', started],
    ['tool_started', { ...started, tool_call_id: 'b', name: 'put' }],
    ['tool_ended', { ...ended, tool_call_id: 'b', name: 'put', status: 'error' }],
  );
  const [first, second] = part<RoundPart>(turn, 0).calls;
  assert.ok(first && second);
  assert.deepEqual([callWords(first), callWords(second)], ['under way', 'error']);
  assert.equal(second.arguments, '{"id":1}');
  assert.equal(roundWords(part(turn, 0)), 'Round 1: 2 calls');
});

test('a call that was not told of before was put off or not executed', () => {
  const turn = after(['tool_ended', ended], ['round', round], ['tool_ended', { ...ended, tool_call_id: 'x', status: null }]);
  assert.equal(roundWords(part(turn, 0)), 'Put off in the turn before: 1 call');
  const refused = part<RoundPart>(turn, 1).calls[0];
  assert.ok(refused);
  assert.equal(callWords(refused), 'not executed');
});

test('a handover and a call for the caller say what they lead to', () => {
  const turn = after(
    ['caller_call', { tool_call_id: 'x', name: 'transfer', arguments: '{"to":1}', at_ms: 5 }],
    ['handover', { queue: 'sales', message: 'One moment', at_ms: 6 }],
    ['handover', { phone_number: '+1', queue: 'sales' }],
  );
  assert.equal(part<PassedPart>(turn, 0).arguments, '{"to":1}');
  assert.deepEqual([part<HandoverPart>(turn, 1).to, part<HandoverPart>(turn, 1).message], ['sales', 'One moment']);
  assert.equal(part<HandoverPart>(turn, 2).to, '+1');
});

test('the last event says how the turn ended', () => {
  const done = { finish: 'length', usage: { input_tokens: 9, output_tokens: 2 }, error: { code: 'c', message: 'm' }, at_ms: 1234 };
  const turn = after(['text', { text: 'a', source: 'model' }], ['done', done]);
  assert.deepEqual([turn.state, turn.finish, turn.error, turn.endMs], ['done', 'length', { code: 'c', message: 'm' }, 1234]);
  assert.deepEqual(endWords(turn), ['Cut off at the limit of tokens.']);
  assert.equal(costWords(turn), '1234 ms · 9 tokens in, 2 out');
  // What was ended is not ended in another way.
  end(turn, 'stopped', 5);
  assert.equal(turn.state, 'done');
  const silent = after(['done', { usage: { input_tokens: 0, output_tokens: 0 }, error: null }]);
  assert.deepEqual([endWords(silent), costWords(silent)], [['The agent said nothing.'], null]);
});

test('a turn without its last event was stopped or broke', () => {
  const stopped = after(['text', { text: 'a', source: 'model' }]);
  end(stopped, 'stopped', 2345.6);
  assert.deepEqual([stopped.state, endWords(stopped)], ['stopped', ['Stopped after 2346 ms.']]);
  const broken = after();
  end(broken, 'broken', 1, { code: '', message: 'why' });
  assert.deepEqual([broken.state, broken.error?.message, costWords(broken)], ['broken', 'why', null]);
});

test('what cannot be read changes nothing', () => {
  const turn = newTurn(1, 'Hello', 0);
  for (const data of ['', 'no', '[]', 'null', '7']) assert.equal(take(turn, 'text', data), null);
  assert.equal(take(turn, 'unheard_of', '{}'), null);
  assert.equal(take(turn, '__proto__', '{}'), null);
  assert.deepEqual(turn.parts, []);
  take(turn, 'round', '{"round":"x","model":{},"first_token_ms":"soon","calls":7}');
  take(turn, 'tool_started', '{"tool_call_id":9,"name":[],"arguments":null}');
  const { model, round: number, calls } = part<RoundPart>(turn, 0);
  assert.deepEqual([model, number, calls[0]?.name, calls[0]?.arguments], ['', null, '', 'null']);
});

test('a text is told to listeners when nothing is added to it any more', () => {
  const turn = after(['text', { text: 'Let me ', source: 'model' }]);
  assert.deepEqual(told(turn), []);
  take(turn, 'text', '{"text":"look. ","source":"model"}');
  take(turn, 'round', JSON.stringify(round));
  take(turn, 'text', '{"text":"One moment. ","source":"start"}');
  assert.deepEqual(told(turn), ['Let me look.', 'One moment.']);
  take(turn, 'text', '{"text":"Here ","source":"model"}');
  assert.deepEqual(told(turn), ['Let me look.', 'One moment.']);
  take(turn, 'handover', '{"queue":"sales"}');
  take(turn, 'done', '{"error":{"code":"c","message":"it broke"}}');
  assert.deepEqual(told(turn), ['Let me look.', 'One moment.', 'Here', 'Handed over to sales.', 'it broke']);
});

test('times are since the beginning of the turn', () => {
  assert.deepEqual([1210, 0, -5, 61_000].map(sinceText), ['+1.2 s', '+0.0 s', '+0.0 s', '+61.0 s']);
  assert.equal(sinceText(null), '');
  const text = part<TextPart>(after(['text', { text: 'a', source: 'start' }]), 0);
  assert.equal(text.atMs, null);
});
