import assert from 'node:assert/strict';
import { test } from 'node:test';

import { bounded, MOST_CHATS, MOST_TURNS, readAll, type KeptChat } from './memory';
import { end, newTurn, take, type RoundPart, type TextPart, type Turn } from './turn';

function turn(id: number, text: string): Turn {
  const made = newTurn(id, `said ${id}`, id);
  take(made, 'text', JSON.stringify({ text, source: 'model' }));
  take(made, 'done', '{"error":null}');
  return made;
}

function chat(id: string, turns: Turn[]): KeptChat {
  return { environment: 'development', agent: 'front_desk', id, usedAt: 1, turns };
}

test('what is kept comes back as it was', () => {
  const kept = bounded([chat('a', [turn(1, 'one'), turn(2, 'two')])]);
  assert.deepEqual(readAll(JSON.stringify(kept)), kept);
  assert.deepEqual(kept[0]?.turns, [turn(1, 'one'), turn(2, 'two')]);
});

test('a conversation in which nothing was said is not kept', () => {
  assert.deepEqual(bounded([chat('a', [])]), []);
});

test('the newest turns are kept, of so many conversations', () => {
  const turns = Array.from({ length: MOST_TURNS + 5 }, (_, at) => turn(at, 'x'));
  const kept = bounded(Array.from({ length: MOST_CHATS + 5 }, (_, at) => chat(`c${at}`, turns)));
  assert.equal(kept.length, MOST_CHATS);
  assert.deepEqual(kept[0]?.turns, turns.slice(5));
});

test('long texts are cut, and where there is no room the older turns go first', () => {
  const [kept] = bounded([chat('a', Array.from({ length: 50 }, (_, at) => turn(at, 'x'.repeat(30_000))))]);
  const size = JSON.stringify(kept).length;
  assert.ok(size < 520_000, `${size} characters`);
  const ids = kept?.turns.map(({ id }) => id) ?? [];
  assert.equal(ids.at(-1), 49);
  assert.ok(ids.length > 10 && ids.length < 30);
  assert.match((kept?.turns[0]?.parts[0] as TextPart).text, /^x{20000}… \(the rest is not kept\)$/);
});

test('what a call was given and gave is cut too', () => {
  const made = newTurn(1, 'x', 1);
  take(made, 'tool_started', JSON.stringify({ tool_call_id: 'a', name: 'n', arguments: { text: 'y'.repeat(9000) } }));
  take(made, 'tool_ended', JSON.stringify({ tool_call_id: 'a', name: 'n', content: 'z'.repeat(9000) }));
  end(made, 'stopped', 1);
  const [kept] = bounded([chat('a', [made])]);
  const call = (kept?.turns[0]?.parts[0] as RoundPart).calls[0];
  assert.ok((call?.arguments?.length ?? 9999) < 2100 && (call?.told?.length ?? 9999) < 2100);
});

test('an answer that was under way is remembered as one that broke off', () => {
  const running = newTurn(1, 'x', 1);
  const [kept] = bounded([chat('a', [running])]);
  assert.equal(kept?.turns[0]?.state, 'broken');
  assert.match(kept?.turns[0]?.error?.message ?? '', /The page was left/);
  assert.equal(running.state, 'running');
});

test('what is no list of conversations is none', () => {
  for (const text of [null, '', 'no', '{}', '[1,null,"x",{"id":3},{"environment":"d","agent":"a","id":"i","usedAt":1}]']) {
    assert.deepEqual(readAll(text), []);
  }
});
