// A call that was made, and how much of it is kept.
import type { CallInput, CallResult, WireRequest } from '../../api';

export interface Said {
  kind: 'started' | 'delayed' | 'failed';
  /** Milliseconds since the call was sent. */
  ms: number;
  text: string;
}

export interface Run {
  /** Its `tool_call_id`. */
  id: string;
  /** When it was sent, in milliseconds since 1970. */
  at: number;
  call: CallInput;
  method: string | null;
  write: boolean;
  request: WireRequest | null;
  curl: string | null;
  said: Said[];
  /** When the gateway said that the call goes ahead. */
  startedMs: number | null;
  /** The result as it came: a JSON text. */
  result: string | null;
  /** What went on inside, as it came: a JSON text. */
  inspection: string | null;
  endedMs: number | null;
  /** Why there is no result. */
  failed: string | null;
  /** What the cancel button brought about. */
  cancellation: string | null;
  /** Why it is not told what went on inside. */
  notInspected: string | null;
  /** The answer was too large to be remembered. */
  dropped: boolean;
}

export const MOST_RUNS = 30;
const MOST_CHARACTERS = 1_000_000;
const LARGE_RUN = 400_000;

function size(run: Run): number {
  return (
    (run.result?.length ?? 0) + (run.inspection?.length ?? 0) + run.call.arguments.length + (run.curl?.length ?? 0)
  );
}

/** The runs as they are kept: without answers that are too large, and as many as there is room for. */
export function bounded(all: Run[]): Run[] {
  const kept: Run[] = [];
  let room = MOST_CHARACTERS;
  for (const run of all.slice(0, MOST_RUNS)) {
    const small =
      size(run) > LARGE_RUN ? { ...run, inspection: null, result: withoutBody(run.result), dropped: true } : run;
    room -= JSON.stringify(small).length;
    if (room < 0) break;
    kept.push(small);
  }
  return kept;
}

function withoutBody(result: string | null): string | null {
  if (result === null) return null;
  try {
    return JSON.stringify({ ...(JSON.parse(result) as CallResult), body: null });
  } catch {
    return null;
  }
}
