// What the whole page shares, and what a tab remembers.
import { computed, effect, signal } from '@preact/signals';
import { go, href, namesEnvironment, route } from './route';
import type { Action, Agent, Status } from './types';
import { randomHex } from './text';

/** Reads what the tab remembers; nothing where storage is not allowed. */
export function remembered(name: string): string | null {
  try {
    return sessionStorage.getItem(`callgate.${name}`);
  } catch {
    return null;
  }
}

/** Keeps a text for the tab, `null` forgets it; says whether there was room. */
export function remember(name: string, value: string | null): boolean {
  try {
    if (value === null) sessionStorage.removeItem(`callgate.${name}`);
    else sessionStorage.setItem(`callgate.${name}`, value);
    return true;
  } catch {
    return false;
  }
}

/** The key of the tab, taken out of `#key=…` before anything else sees the address. */
function keyAtStart(): string {
  const match = /^#key=([^&]*)/.exec(location.hash);
  if (!match) return remembered('key') ?? '';
  const key = decodeURIComponent(match[1] ?? '');
  history.replaceState(null, '', location.pathname + location.search);
  remember('key', key);
  return key;
}

export const key = signal(keyAtStart());
effect(() => void remember('key', key.value === '' ? null : key.value));

/** Why a key is asked for, if it is. */
export const keyPrompt = signal<null | 'none' | 'wrong'>(null);

/** Why the gateway cannot be reached, if it cannot. */
export const unreachable = signal<string | null>(null);

/** Why the environments or the actions cannot be had, though the gateway answers. */
export const refused = signal<string | null>(null);

/** Counts how often the gateway came back after it could not be reached. */
export const reconnections = signal(0);

/** The environments that the key may use; null before they are known. */
export const environments = signal<string[] | null>(null);

const chosen = signal(remembered('environment') ?? '');
effect(() => void remember('environment', chosen.value));

/** The environment that all screens show: the one of the address, else the one chosen before, else the first. */
export const environment = computed<string>(() => {
  const { screen, path } = route.value;
  const known = environments.value ?? [];
  const named = namesEnvironment(screen) ? path[0] : undefined;
  if (named) return named;
  return known.includes(chosen.value) ? chosen.value : (known[0] ?? '');
});

// An address that names an environment chooses it for the other screens too.
effect(() => {
  if (environment.value && environments.value?.includes(environment.value)) chosen.value = environment.value;
});

export function chooseEnvironment(name: string): void {
  chosen.value = name;
  const { screen, path } = route.value;
  if (screen === 'try') go(href('try', [name, ...path.slice(1)]));
  else if (namesEnvironment(screen)) go(href(screen, [name]));
}

export function isProduction(name: string): boolean {
  return /^(prod|live)/i.test(name);
}

/** The actions of the environment; null before they are known. */
export const actions = signal<Action[] | null>(null);

/** The agents of the environment; null before they are known. */
export const agents = signal<Agent[] | null>(null);

/** What the gateway says of itself; null where it does not say it. */
export const status = signal<Status | null>(null);

/** Whether the caller may read definitions and upstream answers. A gateway that does not say is asked. */
export const admin = computed(() => status.value?.admin ?? true);
export const canEdit = computed(() => status.value !== null && status.value.edit && status.value.admin);

/** The id that the tab has made up last. */
export const madeUpId = signal(remembered('made-up') ?? '');

/** The conversation that calls of this tab are made in. */
export const conversationId = signal(remembered('conversation') ?? '');
effect(() => {
  remember('made-up', madeUpId.value);
  remember('conversation', conversationId.value);
});

export function newConversation(): void {
  madeUpId.value = `console-${randomHex(8)}`;
  conversationId.value = madeUpId.value;
}

if (madeUpId.peek() === '') newConversation();

/** Counts the calls that ended, so that what depends on the conversation asks again. */
export const callsDone = signal(0);
