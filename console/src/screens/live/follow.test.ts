import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SseEvent } from '../../sse';
import { follow, StreamOver, type FollowState } from './follow';

/** A document that can be hidden. */
class FakeDocument extends EventTarget {
  hidden = false;

  show(shown: boolean): void {
    this.hidden = !shown;
    this.dispatchEvent(new Event('visibilitychange'));
  }
}

interface Stream {
  after: number;
  signal: AbortSignal;
  send: (id: number, event?: string) => void;
  end: () => void;
}

/** Follows streams that the test feeds. */
function begin(open: (stream: Stream, count: number) => void = () => undefined) {
  const document = new FakeDocument();
  Object.assign(globalThis, { document });
  const states: FollowState[] = [];
  const taken: number[] = [];
  const streams: Stream[] = [];
  const stop = follow({
    newest: () => taken.at(-1) ?? 0,
    take(event) {
      if (event.event === 'forgotten') return false;
      taken.push(Number(event.id));
      return true;
    },
    changed: (state) => states.push(state),
    async open(after, signal) {
      const queue: SseEvent[] = [];
      let wake = () => {};
      let ended = false;
      const stream: Stream = {
        after,
        signal,
        send(id, event = 'message') {
          queue.push({ id: String(id), event, data: '' });
          wake();
        },
        end() {
          ended = true;
          wake();
        },
      };
      streams.push(stream);
      open(stream, streams.length);
      signal.addEventListener('abort', () => stream.end());
      return (async function* () {
        for (;;) {
          const next = queue.shift();
          if (next) yield next;
          else if (ended) return;
          else await new Promise<void>((resolve) => (wake = resolve));
        }
      })();
    },
  });
  return { document, states, taken, streams, stop };
}

/** Lets what is ready to run do so, until the condition holds. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

/** Takes the place of the clock, which stands still: keeps what waits, and for how long. */
function holdTimers(context: { after: (work: () => void) => void }): { work: () => void; ms: number }[] {
  const real = { setTimeout: globalThis.setTimeout, now: performance.now };
  const held: { work: () => void; ms: number }[] = [];
  const hold = (work: () => void, ms = 0) => held.push({ work, ms });
  Object.assign(globalThis, { setTimeout: hold });
  performance.now = () => 0;
  context.after(() => {
    Object.assign(globalThis, { setTimeout: real.setTimeout });
    performance.now = real.now;
  });
  return held;
}

test('after a break it resumes behind the last event', async (context) => {
  const timers = holdTimers(context);
  const { streams, states, taken, stop } = begin();
  await until(() => states.at(-1)?.state === 'following');
  streams[0]?.send(1);
  streams[0]?.send(2);
  await until(() => taken.length === 2);
  streams[0]?.end();
  await until(() => states.at(-1)?.state === 'waiting');
  assert.equal(streams.length, 1);
  timers.shift()?.work();
  await until(() => streams.length === 2);
  assert.equal(streams[1]?.after, 2);
  stop();
});

test('it waits longer each time that nothing comes, up to a bound', async (context) => {
  const timers = holdTimers(context);
  const { stop } = begin(() => {
    throw new Error('away');
  });
  const waits: number[] = [];
  while (waits.length < 7) {
    await until(() => timers.length > 0);
    const timer = timers.shift();
    waits.push(timer?.ms ?? 0);
    timer?.work();
  }
  assert.deepEqual(waits, [500, 1000, 2000, 4000, 8000, 15_000, 15_000]);
  stop();
});

test('a conversation that is gone ends it for good', async () => {
  const { document, streams, states } = begin();
  await until(() => states.at(-1)?.state === 'following');
  streams[0]?.send(0, 'forgotten');
  await until(() => states.at(-1)?.state === 'over');
  document.show(true);
  assert.equal(streams.length, 1);
});

test('a refusal ends it for good', async () => {
  const { states } = begin(() => {
    throw new StreamOver('not for you');
  });
  await until(() => states.at(-1)?.state === 'over');
  assert.deepEqual(states.at(-1), { state: 'over', why: 'not for you' });
});

test('no stream is open while the tab is hidden', async () => {
  const { document, streams, states, stop } = begin();
  await until(() => states.at(-1)?.state === 'following');
  document.show(false);
  assert.equal(streams[0]?.signal.aborted, true);
  assert.equal(states.at(-1)?.state, 'paused');
  document.show(true);
  await until(() => streams.length === 2);
  stop();
  assert.equal(streams[1]?.signal.aborted, true);
});
