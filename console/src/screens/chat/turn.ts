// One turn of a conversation: what was said to an agent, and what it did and said, in the order in which it happened.
import { memberOf, print, tryParse } from '../../json';

/** Who chose the words of a text; newer gateways may know more. */
export type TextSource = 'model' | 'start' | 'delayed' | 'failure' | 'handover' | 'greeting';

interface Placed {
  /** Its number in the turn. */
  key: number;
  /** Milliseconds since the turn began, as the gateway counts them. */
  atMs: number | null;
}

/** A text. The model's grows: what shows it is told of each piece, and is not drawn again. */
export interface TextPart extends Placed {
  kind: 'text';
  source: string;
  text: string;
}

export interface CallEntry {
  id: string;
  name: string;
  /** A JSON text; null where the gateway has not told them. */
  arguments: string | null;
  isEnded: boolean;
  /** Null where it was not executed. */
  status: string | null;
  durationMs: number | null;
  replayed: boolean;
  /** What the model was told of it. */
  told: string | null;
}

/** An answer of a model, of which the caller hears no more than its text, and the calls in it. */
export interface RoundPart extends Placed {
  kind: 'round';
  /** Null for calls that belong to no answer of this turn: they were put off in the turn before. */
  round: number | null;
  model: string;
  firstTokenMs: number | null;
  tookMs: number | null;
  calls: readonly CallEntry[];
}

/** A call that the caller of the agent is to answer. */
export interface PassedPart extends Placed {
  kind: 'passed';
  name: string;
  arguments: string;
}

export interface HandoverPart extends Placed {
  kind: 'handover';
  to: string;
  message: string | null;
}

export type Part = TextPart | RoundPart | PassedPart | HandoverPart;

export type TurnState = 'running' | 'done' | 'stopped' | 'broken';

export interface Turn {
  id: number;
  said: string;
  /** When it was said, in milliseconds since 1970. */
  at: number;
  /** A part that changes becomes another object, but for the text that grows. */
  parts: readonly Part[];
  state: TurnState;
  /** How the gateway says that it ended. */
  finish: string | null;
  /** Why the agent could not answer, as the gateway says it; `code` is empty where there was no turn at all. */
  error: { code: string; message: string } | null;
  tokens: { input: number; output: number } | null;
  endMs: number | null;
}

export function newTurn(id: number, said: string, at: number): Turn {
  return { id, said, at, parts: [], state: 'running', finish: null, error: null, tokens: null, endMs: null };
}

/** What an event has changed: a text that grew by a piece, or which parts there are. */
export type Change = { kind: 'grown'; part: TextPart; piece: string } | { kind: 'parts' };

/** Takes an event of the gateway; null where it says nothing. */
export function take(turn: Turn, event: string, data: string): Change | null {
  const read = readObject(data);
  if (read === null) return null;
  const atMs = number(read['at_ms']);
  switch (event) {
    case 'text':
      return takeText(turn, text(read['text']) ?? '', text(read['source']) ?? '', atMs);
    case 'round':
      return add(turn, {
        kind: 'round',
        key: turn.parts.length,
        atMs,
        round: number(read['round']),
        model: text(read['model']) ?? '',
        firstTokenMs: number(read['first_token_ms']),
        tookMs: number(read['took_ms']),
        calls: [],
      });
    case 'tool_started':
      return addCall(turn, atMs, {
        ...callNamed(read),
        arguments: argumentsOf(data),
      });
    case 'tool_ended':
      return endCall(turn, atMs, {
        ...callNamed(read),
        isEnded: true,
        status: text(read['status']),
        durationMs: number(read['duration_ms']),
        replayed: read['replayed'] === true,
        told: text(read['content']),
      });
    case 'caller_call': {
      const written = read['arguments'];
      return add(turn, {
        kind: 'passed',
        key: turn.parts.length,
        atMs,
        name: text(read['name']) ?? '',
        arguments: text(written) ?? argumentsOf(data) ?? '',
      });
    }
    case 'handover':
      return add(turn, {
        kind: 'handover',
        key: turn.parts.length,
        atMs,
        to: text(read['phone_number']) ?? text(read['queue']) ?? '',
        message: text(read['message']),
      });
    case 'done': {
      const usage = record(read['usage']);
      const error = record(read['error']);
      const input = number(usage?.['input_tokens']);
      const output = number(usage?.['output_tokens']);
      turn.state = 'done';
      turn.endMs = atMs;
      turn.finish = text(read['finish']);
      turn.error = error && { code: text(error['code']) ?? 'unknown', message: text(error['message']) ?? '' };
      // Zero of both means that no model has told them.
      turn.tokens = input || output ? { input: input ?? 0, output: output ?? 0 } : null;
      return { kind: 'parts' };
    }
    default:
      return null;
  }
}

function takeText(turn: Turn, piece: string, source: string, atMs: number | null): Change | null {
  const last = turn.parts.at(-1);
  if (source === 'model' && last?.kind === 'text' && last.source === source) {
    if (piece === '') return null;
    last.text += piece;
    return { kind: 'grown', part: last, piece };
  }
  // The space between two sentences stands between two lines here.
  const first = piece.trimStart();
  if (first === '') return null;
  return add(turn, { kind: 'text', key: turn.parts.length, atMs, source, text: first });
}

function add(turn: Turn, part: Part): Change {
  turn.parts = [...turn.parts, part];
  return { kind: 'parts' };
}

function callNamed(read: Record<string, unknown>): CallEntry {
  return {
    id: text(read['tool_call_id']) ?? '',
    name: text(read['name']) ?? '',
    arguments: null,
    isEnded: false,
    status: null,
    durationMs: null,
    replayed: false,
    told: null,
  };
}

/** Puts the calls of a round in place of those that it had. */
function withCalls(turn: Turn, round: RoundPart, calls: readonly CallEntry[]): Change {
  turn.parts = turn.parts.map((part) => (part === round ? { ...round, calls } : part));
  return { kind: 'parts' };
}

function rounds(turn: Turn): RoundPart[] {
  return turn.parts.filter((part): part is RoundPart => part.kind === 'round');
}

function addCall(turn: Turn, atMs: number | null, call: CallEntry): Change {
  const round = rounds(turn).at(-1);
  if (round) return withCalls(turn, round, [...round.calls, call]);
  const key = turn.parts.length;
  return add(turn, { kind: 'round', key, atMs, round: null, model: '', firstTokenMs: null, tookMs: null, calls: [call] });
}

/** Ends the newest call of this id that is under way. One that was not told of before was not executed, or put off. */
function endCall(turn: Turn, atMs: number | null, ended: CallEntry): Change {
  for (const round of rounds(turn).reverse()) {
    const begun = round.calls.find((call) => call.id === ended.id && !call.isEnded);
    if (begun) {
      const whole = { ...ended, arguments: begun.arguments, name: ended.name || begun.name };
      return withCalls(
        turn,
        round,
        round.calls.map((call) => (call === begun ? whole : call)),
      );
    }
  }
  return addCall(turn, atMs, ended);
}

/** Ends a turn whose last event did not come: it was stopped, or it broke. */
export function end(turn: Turn, state: 'stopped' | 'broken', endMs: number, error: Turn['error'] = null): void {
  if (turn.state !== 'running') return;
  turn.state = state;
  turn.endMs = Math.round(endMs);
  turn.error = error;
}

/** The arguments as a JSON text, with every digit. */
function argumentsOf(data: string): string | null {
  const node = tryParse(data);
  const value = node && memberOf(node, 'arguments');
  return value ? print(value) : null;
}

function readObject(data: string): Record<string, unknown> | null {
  try {
    return record(JSON.parse(data));
  } catch {
    return null;
  }
}

function record(value: unknown): Record<string, unknown> | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : null;
}

function text(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

function number(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}
