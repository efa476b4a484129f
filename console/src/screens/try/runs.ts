// The calls that this tab has made, the newest first. The tab remembers them, within bounds.
import { computed, effect, signal } from '@preact/signals';
import type { CallResult, Inspection } from '../../api';
import { remember, remembered } from '../../state';
import { bounded, MOST_RUNS, type Run } from './run';

export type { Run } from './run';

export const runs = signal<Run[]>(read());
export const shownId = signal<string | null>(null);
export const runningId = signal<string | null>(null);
/** The call that has just ended and whose result has not been gone to yet. */
export const arrivedId = signal<string | null>(null);

export const shown = computed<Run | null>(() => runs.value.find((run) => run.id === shownId.value) ?? null);

function read(): Run[] {
  try {
    const value: unknown = JSON.parse(remembered('runs') ?? '[]');
    return Array.isArray(value) ? (value as Run[]) : [];
  } catch {
    return [];
  }
}

effect(() => {
  if (runningId.value !== null) return;
  const kept = bounded(runs.value);
  for (let count = kept.length; count >= 0; count = Math.floor(count / 2)) {
    if (remember('runs', JSON.stringify(kept.slice(0, count))) || count === 0) break;
  }
});

// A call that is under way when the page goes is remembered as one without a result.
addEventListener('pagehide', () => {
  const id = runningId.peek();
  if (id === null) return;
  const failed = 'The page was closed before the result came. The call may have been made.';
  remember('runs', JSON.stringify(bounded(runs.peek().map((run) => (run.id === id ? { ...run, failed } : run)))));
});

export function addRun(run: Run): void {
  runs.value = [run, ...runs.peek()].slice(0, MOST_RUNS);
  shownId.value = run.id;
}

export function changeRun(id: string, part: Partial<Run>): void {
  runs.value = runs.peek().map((run) => (run.id === id ? { ...run, ...part } : run));
}

export function clearRuns(): void {
  runs.value = runs.peek().filter((run) => run.id === runningId.peek());
  if (!shown.peek()) shownId.value = null;
}

export function resultOf(run: Run): CallResult | null {
  return parsed<CallResult>(run.result);
}

export function inspectionOf(run: Run): Inspection | null {
  return parsed<Inspection>(run.inspection);
}

function parsed<T>(text: string | null): T | null {
  try {
    return text === null ? null : (JSON.parse(text) as T);
  } catch {
    return null;
  }
}
