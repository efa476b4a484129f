// Work that is done again and again while somebody can see its outcome.
import { useEffect, useRef } from 'preact/hooks';

/**
 * Does the work at once and then again `everyMs` after it has ended, while the tab is visible and the component is there.
 * `key` says what the work is about: another one begins anew. Returns a function that does it now.
 */
export function usePoll(work: (signal: AbortSignal) => Promise<void>, everyMs: number, key = ''): () => void {
  const latest = useRef(work);
  latest.current = work;
  const now = useRef<() => void>(() => undefined);

  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let running: AbortController | null = null;

    async function run(): Promise<void> {
      clearTimeout(timer);
      running?.abort();
      const mine = new AbortController();
      running = mine;
      try {
        await latest.current(mine.signal);
      } finally {
        if (running === mine) {
          running = null;
          if (!document.hidden) timer = setTimeout(() => void run(), everyMs);
        }
      }
    }

    function stop(): void {
      clearTimeout(timer);
      running?.abort();
      running = null;
    }

    function onVisibility(): void {
      if (document.hidden) stop();
      else void run();
    }

    now.current = () => void run();
    document.addEventListener('visibilitychange', onVisibility);
    if (!document.hidden) void run();
    return () => {
      document.removeEventListener('visibilitychange', onVisibility);
      stop();
    };
  }, [everyMs, key]);

  return useRef(() => now.current()).current;
}
