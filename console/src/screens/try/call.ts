// What a person has typed for each action: the arguments, variables and the deadline. The tab remembers it.
import { computed, effect, signal } from '@preact/signals';
import type { Draft } from '../../form/draft';
import { build, type Unreadable } from '../../form/build';
import { firstDraft } from '../../form/load';
import { objectOf } from '../../form/merge';
import { tryParse } from '../../json/index';
import { notJson } from '../../json/where';
import { actions, conversationId, environment, remember, remembered } from '../../state';
import { route } from '../../route';
import type { Action, CallInput, SchemaObject } from '../../api';

export interface Typed {
  draft: Draft;
  /** A JSON object, or nothing. */
  variables: string;
  /** Milliseconds, or nothing. */
  deadline: string;
}

const typed = signal<Record<string, Typed>>({});
const SAVE_AFTER_MS = 300;

function read(action: string): Typed | null {
  const text = remembered(`call.${action}`);
  if (text === null) return null;
  try {
    const value = JSON.parse(text) as Partial<Typed> | null;
    if (typeof value?.draft !== 'object' || value.draft === null) return null;
    return { draft: value.draft, variables: String(value.variables ?? ''), deadline: String(value.deadline ?? '') };
  } catch {
    return null;
  }
}

function firstTyped(schema: SchemaObject): Typed {
  try {
    return { draft: firstDraft(schema), variables: '', deadline: '' };
  } catch {
    return { draft: {}, variables: '', deadline: '' };
  }
}

/** The action that the address names. */
export const action = computed<Action | null>(() => {
  const name = route.value.screen === 'try' ? route.value.path[1] : undefined;
  return actions.value?.find((one) => one.name === name) ?? null;
});

export const schema = computed<SchemaObject>(() => objectOf(action.value?.parameters));

export const current = computed<Typed>(() => {
  const name = action.value?.name;
  if (name === undefined) return firstTyped({});
  return typed.value[name] ?? read(name) ?? firstTyped(schema.value);
});

export function change(part: Partial<Typed>): void {
  const name = action.peek()?.name;
  if (name !== undefined) changeOf(name, { ...current.peek(), ...part });
}

export function changeOf(name: string, value: Typed): void {
  typed.value = { ...typed.peek(), [name]: value };
}

/** The arguments that are typed for an action in this tab, as JSON; null where there are none. */
export function argumentsOf(name: string): string | null {
  const found = typed.value[name] ?? read(name);
  const parameters = actions.value?.find((one) => one.name === name)?.parameters;
  if (!found || parameters === undefined) return null;
  try {
    return build(objectOf(parameters), found.draft).json ?? null;
  } catch {
    return null;
  }
}

/** Begins the form of the action anew. */
export function reset(): void {
  const name = action.peek()?.name;
  if (name !== undefined) changeOf(name, firstTyped(schema.peek()));
}

let timer: ReturnType<typeof setTimeout> | undefined;
function save(): void {
  for (const [name, value] of Object.entries(typed.peek())) remember(`call.${name}`, JSON.stringify(value));
}
effect(() => {
  void typed.value;
  clearTimeout(timer);
  timer = setTimeout(save, SAVE_AFTER_MS);
});
addEventListener('pagehide', save);

export interface Ready {
  /** The call as it would be sent now; null where something cannot be read. */
  call: CallInput | null;
  unreadable: Unreadable[];
  variablesError: string | null;
  deadlineError: string | null;
}

function variablesError(text: string): string | null {
  if (text.trim() === '') return null;
  const node = tryParse(text);
  if (node === null) return notJson(text);
  return node.kind === 'object' ? null : 'Variables are an object, such as {"account.status": "gold"}.';
}

export const ready = computed<Ready>(() => {
  const { draft, variables, deadline } = current.value;
  const name = action.value?.name;
  const problems = {
    variablesError: variablesError(variables),
    deadlineError: /^\d*$/.test(deadline.trim()) ? null : 'The deadline is a whole number of milliseconds.',
  };
  let built;
  try {
    built = build(schema.value, draft);
  } catch {
    const raw = draft['']?.raw ?? '{}';
    const sentence = notJson(raw);
    built = sentence === null ? { json: raw, unreadable: [] } : { json: undefined, unreadable: [{ pointer: '', sentence }] };
  }
  const usable = built.unreadable.length === 0 && !problems.variablesError && !problems.deadlineError;
  if (name === undefined || !usable) return { ...problems, call: null, unreadable: built.unreadable };
  const call: CallInput = {
    environment: environment.value,
    name,
    arguments: built.json ?? '{}',
    variables: variables.trim(),
    deadline_ms: deadline.trim(),
    conversation_id: conversationId.value.trim(),
  };
  return { ...problems, call, unreadable: [] };
});

/** Whether the action changes something upstream. */
export function isWrite(one: Action): boolean {
  return one.is_write ?? (one.method !== undefined && !['GET', 'HEAD', 'OPTIONS'].includes(one.method));
}
