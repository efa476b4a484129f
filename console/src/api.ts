// Every route of the gateway that the console asks, typed. Texts that may hold long numbers stay texts.
import { send, sendForJson, segment } from './http';
import { parseKeepingDigits } from './form/value';
import { parse } from './json/parse';
import { readEvents, type SseEvent } from './sse';
import type {
  Action,
  ActionDefinition,
  Agent,
  Branches,
  Conversation,
  ConversationPage,
  Definition,
  DefinitionFile,
  FeedPage,
  Preview,
  Problem,
  Problems,
  Spec,
  Status,
} from './types';

export { ApiError, errorText, isAbort } from './http';
export type * from './types';

/** A call as it is sent. `arguments` and `variables` are JSON texts, sent as they are. */
export interface CallInput {
  environment: string;
  name: string;
  arguments: string;
  variables?: string;
  conversation_id?: string;
  tool_call_id?: string;
  deadline_ms?: string;
  inspect?: boolean;
}

/** The body of a call or a preview, put together as text, so that no digit of a number is lost. */
export function callBody(call: CallInput, forPreview: boolean): string {
  const members = [`"environment":${JSON.stringify(call.environment)}`, `"arguments":${call.arguments}`];
  const add = (name: string, json: string | undefined) => {
    if (json !== undefined && json !== '') members.push(`"${name}":${json}`);
  };
  add('conversation_id', call.conversation_id ? JSON.stringify(call.conversation_id) : '');
  add('variables', call.variables);
  add('deadline_ms', call.deadline_ms);
  if (!forPreview) {
    add('name', JSON.stringify(call.name));
    add('tool_call_id', call.tool_call_id ? JSON.stringify(call.tool_call_id) : '');
    add('source', '"console"');
    if (call.inspect) add('inspect', 'true');
  }
  return `{${members.join(',')}}`;
}

/** What is said to an agent, in a conversation that the gateway keeps. */
export interface Saying {
  environment: string;
  conversation_id: string;
  text: string;
}

async function* stream(path: string, options: Parameters<typeof send>[1] = {}): AsyncGenerator<SseEvent> {
  const response = await send(path, { ...options, headers: { ...options.headers, Accept: 'text/event-stream' } });
  if (response.body) yield* readEvents(response.body);
}

function definitionPath(file: string): string {
  return `v1/definitions/${file.split('/').map(segment).join('/')}`;
}

export interface Cached<T> {
  /** Null where nothing has changed since `etag`. */
  value: T | null;
  etag: string;
}

async function unlessSame<T>(path: string, etag: string | undefined, signal?: AbortSignal): Promise<Cached<T>> {
  const response = await send(path, { signal, headers: etag ? { 'If-None-Match': etag } : {} });
  if (response.status === 304) return { value: null, etag: etag ?? '' };
  return { value: (await response.json()) as T, etag: response.headers.get('ETag') ?? '' };
}

export interface Saved {
  file: string;
  version: string;
  problems: Problem[];
  /** Why the gateway does not serve the text, though it is saved. Older gateways do not say. */
  refused?: string | null;
}

export const api = {
  environments: (signal?: AbortSignal) => sendForJson<{ environments: string[] }>('v1/environments', { signal }),

  /** Long numbers in the schemas keep their digits. */
  actions: async (environment: string, signal?: AbortSignal) =>
    parseKeepingDigits<{ environment: string; actions: Action[] }>(
      await (await send('v1/actions', { query: { environment }, signal })).text(),
    ),

  agents: (environment: string, signal?: AbortSignal) =>
    sendForJson<{ environment: string; agents: Agent[] }>('v1/agents', { query: { environment }, signal }),

  /** Says something and gives what the agent does and says, event by event; `done` is the last one. */
  turn: (agent: string, saying: Saying, signal: AbortSignal) =>
    stream(`v1/agents/${segment(agent)}/turns`, {
      method: 'POST',
      body: JSON.stringify({ ...saying, source: 'console' }),
      signal,
    }),

  status: (signal?: AbortSignal) => sendForJson<Status>('v1/status', { signal }),

  problems: (etag?: string, signal?: AbortSignal) => unlessSame<Problems>('v1/problems', etag, signal),

  definitions: (signal?: AbortSignal) =>
    sendForJson<{ edit: boolean; files: DefinitionFile[] }>('v1/definitions', { signal }),

  definition: (file: string, signal?: AbortSignal) => sendForJson<Definition>(definitionPath(file), { signal }),

  /** Replaces the file if it is still at `version`; `null` makes a new file. A refusal is an `ApiError` (412, 422, 403). */
  saveDefinition: (file: string, text: string, version: string | null, signal?: AbortSignal) =>
    sendForJson<Saved>(definitionPath(file), {
      method: 'PUT',
      body: text,
      signal,
      headers: {
        'Content-Type': 'text/plain; charset=utf-8',
        ...(version === null ? { 'If-None-Match': '*' } : { 'If-Match': `"${version}"` }),
      },
    }),

  check: (file: string, text: string, signal?: AbortSignal) =>
    sendForJson<{ problems: Problem[] }>('v1/check', { method: 'POST', body: JSON.stringify({ file, text }), signal }),

  preview: (call: CallInput, signal?: AbortSignal) =>
    sendForJson<Preview>(`v1/actions/${segment(call.name)}/preview`, {
      method: 'POST',
      body: callBody(call, true),
      signal,
    }),

  /** Makes a call and gives its events as they come: `started`, `delayed`, `completed` or `problem`, `inspection`. */
  call: (call: CallInput, signal?: AbortSignal) =>
    stream('v1/tool-calls', { method: 'POST', body: callBody(call, false), signal }),

  cancelCall: (id: string, environment: string, conversation?: string) =>
    sendForJson<{ tool_call_id: string; cancellation: string }>(`v1/tool-calls/${segment(id)}`, {
      method: 'DELETE',
      query: { environment, conversation_id: conversation },
    }),

  actionDefinition: (name: string, environment: string, signal?: AbortSignal) =>
    sendForJson<ActionDefinition>(`v1/actions/${segment(name)}/definition`, { query: { environment }, signal }),

  actionBranches: (name: string, environment: string, signal?: AbortSignal) =>
    sendForJson<Branches>(`v1/actions/${segment(name)}/branches`, { query: { environment }, signal }),

  actionSpecs: (name: string, environment: string, signal?: AbortSignal) =>
    sendForJson<{ specs: Spec[] }>(`v1/actions/${segment(name)}/specs`, { query: { environment }, signal }),

  conversations: (environment: string, cursor?: string, limit?: number, signal?: AbortSignal) =>
    sendForJson<ConversationPage>('v1/conversations', { query: { environment, cursor, limit }, signal }),

  /** As `conversation`, as text, so that long numbers in variables keep their digits. */
  conversationText: async (id: string, environment: string, signal?: AbortSignal) =>
    (await send(`v1/conversations/${segment(id)}`, { query: { environment }, signal })).text(),

  conversation: (id: string, environment: string, signal?: AbortSignal) =>
    sendForJson<Conversation>(`v1/conversations/${segment(id)}`, { query: { environment }, signal }),

  events: (id: string, environment: string, after = 0, limit?: number, signal?: AbortSignal) =>
    sendForJson<FeedPage>(`v1/conversations/${segment(id)}/events`, { query: { environment, after, limit }, signal }),

  /** As `events`, read so that long numbers keep their digits. */
  eventsText: async (id: string, environment: string, after: number, limit?: number, signal?: AbortSignal) =>
    parse(
      await (
        await send(`v1/conversations/${segment(id)}/events`, { query: { environment, after, limit }, signal })
      ).text(),
    ),

  /** The feed as it goes on; `data` of each event is the JSON text of a `FeedEvent`. Ends when the gateway ends it. */
  watch: (id: string, environment: string, after: number, signal: AbortSignal) =>
    stream(`v1/conversations/${segment(id)}/events`, { query: { environment, after }, signal }),
};
