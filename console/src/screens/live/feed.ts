// The feed of one conversation: its events, grouped so that a call is one row.

import type { Phase } from '../../types';

export interface FeedEvent {
  id: number;
  type: string;
  at: string;
  /** For what decides and is small: names, codes, times. Numbers may have lost digits. */
  data: Readonly<Record<string, unknown>>;
  /** The event as JSON text, for what is shown to the last digit. */
  text: string;
}

/** As the results of Try are named. */
export type Outcome = 'success' | 'upstream_error' | 'no_answer' | 'not_sent' | 'replay';

export interface CallRow {
  kind: 'call';
  key: string;
  toolCallId: string;
  name: string;
  at: string;
  /** Who made the call where that is known, such as `console`. */
  source: string | null;
  events: readonly FeedEvent[];
  outcome: Outcome;
  statusCode: number | null;
  errorCode: string | null;
  retries: number;
  durationMs: number | null;
}

export interface EventRow {
  kind: 'event';
  key: string;
  event: FeedEvent;
}

/** A place where events have been given up, or where the conversation has begun anew. */
export interface GapRow {
  kind: 'gap';
  key: string;
  anew: boolean;
}

export type Row = CallRow | EventRow | GapRow;

/** Reads an event as the stream sends it; null where the text is none. */
export function readEvent(text: string): FeedEvent | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isRecord(value) || typeof value['id'] !== 'number') return null;
  const { id, type, at, data } = value;
  return { id, type: asText(type) ?? '', at: asText(at) ?? '', data: isRecord(data) ? data : {}, text };
}

/** Rows that grow by events. A row that changes becomes another object, so that what shows it can compare. */
export class Feed {
  readonly rows: Row[] = [];
  /** The number of the newest event, which a stream resumes behind. */
  newest = 0;
  eventCount = 0;
  hasGap = false;
  private gaps = 0;
  private readonly openCalls = new Map<string, number>();

  add(event: FeedEvent): void {
    if (event.id <= this.newest) return;
    this.newest = event.id;
    this.eventCount += 1;
    const toolCallId = toolCallOf(event);
    if (event.type === 'tool_called' || event.type === 'replay') {
      this.openCalls.set(toolCallId ?? '', this.rows.length);
      this.rows.push(summarise(this.keyOf(event), [event]));
      return;
    }
    const place = toolCallId === null ? undefined : this.openCalls.get(toolCallId);
    const row = place === undefined ? undefined : this.rows[place];
    if (place !== undefined && row?.kind === 'call') {
      this.rows[place] = summarise(row.key, [...row.events, event]);
    } else if (toolCallId !== null && event.type !== 'variable_set') {
      // The call began before the oldest event that is kept.
      this.openCalls.set(toolCallId, this.rows.length);
      this.rows.push(summarise(this.keyOf(event), [event]));
    } else {
      this.rows.push({ kind: 'event', key: this.keyOf(event), event });
    }
  }

  /** Notes that events before number `next` are not there. Where the numbers begin anew, so does the conversation. */
  gap(next: number | null): void {
    const anew = next !== null && next <= this.newest;
    if (anew) {
      this.newest = next - 1;
      this.openCalls.clear();
    }
    this.hasGap = true;
    this.gaps += 1;
    this.rows.push({ kind: 'gap', key: `gap-${this.gaps}`, anew });
  }

  private keyOf(event: FeedEvent): string {
    return `${this.gaps}-${event.id}`;
  }
}

function summarise(key: string, events: readonly FeedEvent[]): CallRow {
  const first = events[0] as FeedEvent;
  const called = events.find((event) => event.type === 'tool_called');
  const error = events.find((event) => event.type === 'error');
  const response = events.filter((event) => event.type === 'response_received').at(-1);
  const named = called ?? error ?? first;
  return {
    kind: 'call',
    key,
    toolCallId: asText(first.data['tool_call_id']) ?? '',
    name: asText(named.data['name']) ?? '',
    at: first.at,
    source: asText(called?.data['source']) ?? null,
    events,
    outcome: outcomeOf(events),
    statusCode: asNumber(response?.data['status_code']),
    errorCode: asText(error?.data['code']),
    retries: events.filter((event) => event.type === 'retry').length,
    durationMs: durationOf(events),
  };
}

function outcomeOf(events: readonly FeedEvent[]): Outcome {
  const has = (type: string) => events.some((event) => event.type === type);
  const failed = has('error');
  if (has('replay') && !failed) return 'replay';
  if (has('response_received')) return failed ? 'upstream_error' : 'success';
  // Where the beginning of the call is given up, nobody knows that nothing was sent.
  return has('tool_called') && !has('request_sent') ? 'not_sent' : 'no_answer';
}

/** From the phases where there are some, else between the first event and the last one. */
function durationOf(events: readonly FeedEvent[]): number | null {
  const end = Math.max(...phasesOf(events).map((phase) => phase.start_ms + phase.ms));
  if (Number.isFinite(end)) return end;
  const times = events.map((event) => Date.parse(event.at)).filter(Number.isFinite);
  return times.length > 1 ? Math.max(...times) - Math.min(...times) : null;
}

/** The phases of a call, from the event that has them. */
export function phasesOf(events: readonly FeedEvent[]): Phase[] {
  const holder = events.filter((event) => Array.isArray(event.data['phases'])).at(-1);
  const phases = (holder?.data['phases'] ?? []) as unknown[];
  return phases.filter(isRecord).map((phase) => ({
    phase: asText(phase['phase']) ?? '',
    attempt: asNumber(phase['attempt']),
    start_ms: asNumber(phase['start_ms']) ?? 0,
    ms: asNumber(phase['ms']) ?? 0,
  }));
}

/** The call that an event belongs to; a variable names it in its source. */
function toolCallOf(event: FeedEvent): string | null {
  const own = asText(event.data['tool_call_id']);
  if (own !== null) return own;
  const source = event.data['source'];
  return isRecord(source) ? asText(source['tool_call_id']) : null;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function asText(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

export function asNumber(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}
