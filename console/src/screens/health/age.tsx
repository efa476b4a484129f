import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { ageText, untilText } from './ages';

/** The time of day, renewed while somebody looks at an age. */
const clock = signal(Date.now());
let watchers = 0;
let timer: ReturnType<typeof setInterval> | undefined;

function useClock(): number {
  useEffect(() => {
    watchers += 1;
    clock.value = Date.now();
    timer ??= setInterval(() => (clock.value = Date.now()), 5000);
    return () => {
      watchers -= 1;
      if (watchers > 0) return;
      clearInterval(timer);
      timer = undefined;
    };
  }, []);
  return clock.value;
}

/** How long ago something was, with the exact time as its title. */
export function Age({ at }: { at: string }) {
  const now = useClock();
  return (
    <time dateTime={at} title={at}>
      {ageText(Date.parse(at), now)}
    </time>
  );
}

/** How long something lasts. */
export function Until({ at }: { at: string }) {
  const now = useClock();
  return (
    <time dateTime={at} title={at}>
      {untilText(Date.parse(at), now)}
    </time>
  );
}
