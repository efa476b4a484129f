// The feed of the conversation on screen: what the stream brought, and how the stream is doing.
import { signal } from '@preact/signals';
import { ApiError } from '../../api';
import { segment, send } from '../../http';
import { readEvents, type SseEvent } from '../../sse';
import { Feed, isRecord, readEvent } from './feed';
import { follow, StreamOver, type FollowState } from './follow';

const showEveryMs = 50;

export class FeedStore {
  readonly feed = new Feed();
  /** Counts changes of the feed, some of which are shown together. */
  readonly version = signal(0);
  readonly state = signal<FollowState>({ state: 'connecting' });
  /** Counts changes of variables, after which the conversation is asked for again. */
  readonly variablesVersion = signal(0);
  private timer: ReturnType<typeof setTimeout> | undefined;
  private variablesChanged = false;

  constructor(
    readonly environment: string,
    readonly id: string,
  ) {}

  /** Follows the conversation; returns what ends it. */
  start(): () => void {
    const stop = follow({
      open: (after, signal) => this.open(after, signal),
      newest: () => this.feed.newest,
      take: (event) => this.take(event),
      changed: (state) => {
        this.state.value = state;
      },
    });
    return () => {
      stop();
      clearTimeout(this.timer);
      this.timer = undefined;
    };
  }

  private async open(after: number, signal: AbortSignal): Promise<AsyncIterable<SseEvent>> {
    try {
      const response = await send(`v1/conversations/${segment(this.id)}/events`, {
        query: { environment: this.environment, after },
        headers: { Accept: 'text/event-stream' },
        signal,
      });
      if (!response.body) throw new Error('The answer has no body.');
      return readEvents(response.body);
    } catch (error) {
      if (error instanceof ApiError && error.status >= 400 && error.status < 500 && error.status !== 429) {
        throw new StreamOver(error.code === 'conversation_not_found' ? 'There is no such conversation, or not yet.' : error.message);
      }
      throw error;
    }
  }

  private take(event: SseEvent): boolean {
    if (event.event === 'forgotten') return false;
    if (event.event === 'gap') {
      this.feed.gap(nextOf(event.data));
    } else {
      const read = readEvent(event.data);
      if (!read) return true;
      this.feed.add(read);
      if (read.type === 'variable_set' || read.type === 'ended') this.variablesChanged = true;
    }
    this.timer ??= setTimeout(() => this.show(), showEveryMs);
    return true;
  }

  private show(): void {
    this.timer = undefined;
    this.version.value += 1;
    if (this.variablesChanged) this.variablesVersion.value += 1;
    this.variablesChanged = false;
  }
}

function nextOf(data: string): number | null {
  try {
    const gap: unknown = JSON.parse(data);
    return isRecord(gap) && typeof gap['next'] === 'number' ? gap['next'] : null;
  } catch {
    return null;
  }
}
