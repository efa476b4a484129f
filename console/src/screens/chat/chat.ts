// A conversation with an agent: its turns, the one that is under way, and what is told to those who do not see it.
import { signal } from '@preact/signals';
import { api, ApiError, errorText, isAbort } from '../../api';
import { loadAgents } from '../../load';
import { inSlices } from '../../slices';
import { end, newTurn, take, type TextPart, type Turn } from './turn';

/** Pieces of a text that come this close together are shown together. */
const showEveryMs = 40;

export const BROKE_OFF =
  'The gateway ended the answer before the turn had ended. Calls may have been made; the feed shows those that are known.';

export interface Place {
  environment: string;
  agent: string;
  /** The id of the conversation. */
  id: string;
}

type Show = (piece: string) => void;

export class Chat implements Place {
  readonly environment: string;
  readonly agent: string;
  readonly id: string;
  /** Oldest first. A turn is one object to its end. */
  readonly turns: Turn[];
  /** Counts changes of what there is to show, but not of texts that grow. */
  readonly version = signal(0);
  readonly running = signal<Turn | null>(null);
  /** Whether the gateway knows the conversation, as far as this tab can tell. */
  readonly hasBegun = signal(false);
  /** Whether somebody has agreed to talk to production. */
  mayWrite = false;
  /** When somebody was here last, in milliseconds since 1970. */
  usedAt = Date.now();
  private abort: AbortController | null = null;
  /** Those who show texts that grow. */
  private readonly shown = new Map<TextPart, Show>();
  /** Pieces that are not shown yet. */
  private readonly pending = new Map<TextPart, string>();
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor({ environment, agent, id }: Place, turns: Turn[] = []) {
    this.environment = environment;
    this.agent = agent;
    this.id = id;
    this.turns = turns;
    this.hasBegun.value = turns.length > 0;
  }

  /** Tells of what the text grows by, from what is there now on; returns what ends that. */
  watch(part: TextPart, show: Show): () => void {
    this.pending.delete(part);
    this.shown.set(part, show);
    return () => {
      if (this.shown.get(part) === show) this.shown.delete(part);
    };
  }

  /** Says something. The promise ends with the turn. */
  async say(text: string): Promise<Turn> {
    const last = this.turns.at(-1);
    const turn = newTurn((last?.id ?? 0) + 1, text, Date.now());
    const mine = new AbortController();
    this.usedAt = turn.at;
    this.abort = mine;
    this.turns.push(turn);
    this.running.value = turn;
    this.changed();
    const begun = performance.now();
    const since = () => performance.now() - begun;
    const { environment, agent, id } = this;
    try {
      const events = api.turn(agent, { environment, conversation_id: id, text }, mine.signal);
      for await (const { event, data } of inSlices(events)) {
        // Whatever comes first: the gateway has opened the conversation.
        this.hasBegun.value = true;
        const change = take(turn, event, data);
        if (change?.kind === 'parts') this.changed();
        if (change?.kind === 'grown') this.grow(change.part, change.piece);
      }
      end(turn, 'broken', since(), { code: '', message: BROKE_OFF });
    } catch (error) {
      if (isAbort(error)) {
        end(turn, 'stopped', since());
      } else {
        const refused = error instanceof ApiError && error.status > 0;
        if (refused && error.status === 404) void loadAgents();
        end(turn, 'broken', since(), { code: refused ? error.code : '', message: this.whyBroken(turn, error) });
      }
    }
    this.flush();
    this.running.value = null;
    this.changed();
    return turn;
  }

  /** Gives up the answer that is under way, as somebody does who speaks over it. */
  stop(): void {
    this.abort?.abort();
  }

  private whyBroken(turn: Turn, error: unknown): string {
    if (error instanceof ApiError) return error.message;
    return turn.parts.length > 0 ? BROKE_OFF : `There is no answer (${errorText(error)}).`;
  }

  private changed(): void {
    this.flush();
    this.version.value += 1;
  }

  private grow(part: TextPart, piece: string): void {
    if (!this.shown.has(part)) return;
    this.pending.set(part, (this.pending.get(part) ?? '') + piece);
    this.timer ??= setTimeout(() => this.flush(), showEveryMs);
  }

  private flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    for (const [part, piece] of this.pending) this.shown.get(part)?.(piece);
    this.pending.clear();
  }
}
