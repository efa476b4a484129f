// The conversations of this tab. The tab remembers them, within bounds.
import { effect, signal } from '@preact/signals';
import { remember, remembered } from '../../state';
import { randomHex } from '../../text';
import { Chat, type Place } from './chat';
import { bounded, readAll } from './memory';

const chats = new Map<string, Chat>();
/** Counts conversations that came in, and turns that ended. */
const changes = signal(0);

function keyOf({ environment, agent, id }: Place): string {
  return JSON.stringify([environment, agent, id]);
}

/** The conversation at a place: the one that the tab knows, else a new one of that id. */
export function chatAt(place: Place): Chat {
  const known = chats.get(keyOf(place));
  if (known) return known;
  const chat = new Chat(place);
  chat.hasBegun.value = !isFresh(place.id);
  chats.set(keyOf(place), chat);
  return chat;
}

/** The conversations of this tab with an agent in which something was said, the last used first. */
export function chatsWith(environment: string, agent: string): Chat[] {
  void changes.value;
  return [...chats.values()]
    .filter((chat) => chat.environment === environment && chat.agent === agent && chat.turns.length > 0)
    .sort((one, other) => other.usedAt - one.usedAt);
}

/** An id for a conversation that is not there yet. */
export function freshId(): string {
  return `chat-${randomHex(8)}`;
}

/** Whether an id is one that `freshId` gives. Before something is said, the gateway knows no such conversation. */
export function isFresh(id: string): boolean {
  return /^chat-[0-9a-f]{8}$/.test(id);
}

/** Keeps what was said for the tab. To be called when a turn has ended. */
export function keepChats(): void {
  const all = [...chats.values()].sort((one, other) => other.usedAt - one.usedAt);
  const kept = bounded(all);
  for (let count = kept.length; count >= 0; count = Math.floor(count / 2)) {
    if (remember('chats', JSON.stringify(kept.slice(0, count))) || count === 0) break;
  }
  changes.value += 1;
}

for (const { turns, usedAt, ...place } of readAll(remembered('chats'))) {
  const chat = new Chat(place, turns);
  chat.usedAt = usedAt;
  chats.set(keyOf(place), chat);
}

// An answer that is under way when the page goes is remembered as far as it came.
addEventListener('pagehide', keepChats);

/** What is being typed; it stays while other screens are shown. */
export const draft = signal(remembered('chat-draft') ?? '');
effect(() => void remember('chat-draft', draft.value === '' ? null : draft.value));
