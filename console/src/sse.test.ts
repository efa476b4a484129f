import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readEvents, type SseEvent, SseParser } from './sse';

const STREAM =
  ': waiting\r\nid: 7\r\nevent: started\r\ndata: {"text":"Grüße 🎉"}\r\n\r\nevent: completed\ndata: {"a":\ndata:  1}\n\n\rdata\r\rid: 9\n\ndata: cut off';
const EVENTS: SseEvent[] = [
  { id: '7', event: 'started', data: '{"text":"Grüße 🎉"}' },
  { id: '7', event: 'completed', data: '{"a":\n 1}' },
  { id: '7', event: 'message', data: '' },
];

function streamOf(bytes: Uint8Array, size: number): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (let at = 0; at < bytes.length; at += size) controller.enqueue(bytes.slice(at, at + size));
      controller.close();
    },
  });
}

test('events are the same wherever the pieces end', async () => {
  const bytes = new TextEncoder().encode(STREAM);
  for (let size = 1; size <= bytes.length; size += 1) {
    const found: SseEvent[] = [];
    for await (const event of readEvents(streamOf(bytes, size))) found.push(event);
    assert.deepEqual(found, EVENTS, `pieces of ${size} bytes`);
  }
});

test('a line end of two characters is one line end', () => {
  const parser = new SseParser();
  assert.deepEqual(parser.push('data: a\r'), []);
  assert.deepEqual(parser.push('\ndata: b\r'), []);
  assert.deepEqual(parser.push('\n\r'), [{ id: '', event: 'message', data: 'a\nb' }]);
  assert.deepEqual(parser.push('\n'), []);
});
