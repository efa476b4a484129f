// Follows a feed: one stream at a time, resumed after a break, closed while the tab is hidden.
import { inSlices } from '../../slices';
import type { SseEvent } from '../../sse';

export type FollowState =
  | { state: 'connecting' }
  | { state: 'following' }
  | { state: 'waiting'; seconds: number; why: string }
  | { state: 'paused' }
  | { state: 'over'; why: string };

/** An error that a stream cannot recover from by coming again. */
export class StreamOver extends Error {}

export interface FollowOptions {
  /** Opens the stream behind an event; throws `StreamOver` where it makes no sense to come again. */
  open: (after: number, signal: AbortSignal) => Promise<AsyncIterable<SseEvent>>;
  /** The number of the last event that is there. */
  newest: () => number;
  /** Takes an event; false ends the stream for good. */
  take: (event: SseEvent) => boolean;
  changed: (state: FollowState) => void;
}

const firstWaitMs = 500;
const longestWaitMs = 15_000;
/** A stream that was open this long was a good one: the next one is opened soon. */
const goodAfterMs = 10_000;

/** Begins to follow; returns what ends it. */
export function follow(options: FollowOptions): () => void {
  let controller: AbortController | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let wait = firstWaitMs;
  let isOver = false;

  async function run(): Promise<void> {
    clearTimeout(timer);
    controller?.abort();
    const mine = new AbortController();
    controller = mine;
    options.changed({ state: 'connecting' });
    let why = 'The stream ended.';
    const begun = performance.now();
    try {
      const events = await options.open(options.newest(), mine.signal);
      if (mine.signal.aborted) return;
      options.changed({ state: 'following' });
      if (!(await takeAll(events, mine.signal))) return end('The conversation is gone.');
    } catch (error) {
      if (mine.signal.aborted) return;
      if (error instanceof StreamOver) return end(error.message);
      why = error instanceof Error ? error.message : String(error);
    }
    if (mine.signal.aborted) return;
    if (performance.now() - begun > goodAfterMs) wait = firstWaitMs;
    options.changed({ state: 'waiting', seconds: Math.ceil(wait / 1000), why });
    timer = setTimeout(() => void run(), wait);
    wait = Math.min(longestWaitMs, wait * 2);
  }

  async function takeAll(events: AsyncIterable<SseEvent>, signal: AbortSignal): Promise<boolean> {
    for await (const event of inSlices(events)) {
      if (signal.aborted) return true;
      wait = firstWaitMs;
      if (!options.take(event)) return false;
    }
    return true;
  }

  function end(why: string): void {
    isOver = true;
    options.changed({ state: 'over', why });
  }

  function stop(): void {
    clearTimeout(timer);
    controller?.abort();
    controller = null;
  }

  function onVisibility(): void {
    if (isOver) return;
    if (document.hidden) {
      stop();
      options.changed({ state: 'paused' });
    } else {
      void run();
    }
  }

  document.addEventListener('visibilitychange', onVisibility);
  if (document.hidden) options.changed({ state: 'paused' });
  else void run();

  return () => {
    document.removeEventListener('visibilitychange', onVisibility);
    stop();
  };
}
