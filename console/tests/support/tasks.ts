// How long the page keeps its thread busy without a pause, in time of the processor: what other programs take does not count.
import type { Browser, Page } from '@playwright/test';

interface TraceEvent {
  name: string;
  ph: string;
  pid: number;
  tid: number;
  /** Microseconds of the processor. */
  tdur?: number;
  args?: { name?: string };
}

/**
 * The bound for a task of the page in milliseconds. The aim is 200, which `CONSOLE_LONGEST_TASK_MS=200` asks for; unless it is
 * asked for, only a page that freezes fails, however slow the machine is.
 */
export const longestAllowed = Number(process.env.CONSOLE_LONGEST_TASK_MS ?? 2000);

/** Watches the tasks of the page while `work` is done; returns the longest one in milliseconds. */
export async function longestTaskDuring(browser: Browser, page: Page, work: () => Promise<void>): Promise<number> {
  await browser.startTracing(page, { categories: ['disabled-by-default-devtools.timeline', '__metadata'] });
  let trace: Buffer | undefined;
  try {
    await work();
  } finally {
    trace = await browser.stopTracing();
  }
  const { traceEvents } = JSON.parse(trace.toString()) as { traceEvents: TraceEvent[] };
  const threadOf = (event: TraceEvent) => `${event.pid}/${event.tid}`;
  const mains = new Set(
    traceEvents.filter((event) => event.name === 'thread_name' && event.args?.name === 'CrRendererMain').map(threadOf),
  );
  const tasks = traceEvents.filter((event) => event.name === 'RunTask' && mains.has(threadOf(event)));
  if (tasks.length === 0) throw new Error('the trace holds no tasks');
  return Math.max(...tasks.map((task) => task.tdur ?? 0)) / 1000;
}
