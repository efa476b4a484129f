// One request to the gateway: the key, the errors, and what a person is told when there is no answer.
import { effect } from '@preact/signals';
import { key, keyPrompt, reconnections, unreachable } from './state';
import type { Json } from './types';

export interface RequestOptions {
  method?: string;
  query?: Record<string, string | number | undefined>;
  headers?: Record<string, string>;
  body?: string;
  signal?: AbortSignal;
}

/** What the gateway refused, or that it could not be asked (`code` is `unreachable`, `status` 0). */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    /** The members of the problem document. */
    readonly problem: Record<string, Json> = {},
  ) {
    super(message);
    this.name = 'ApiError';
  }
}

export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError';
}

/** The sentence of an error, for people. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function address(path: string, query: RequestOptions['query']): string {
  const pairs = Object.entries(query ?? {}).flatMap(([name, value]) =>
    value === undefined || value === '' ? [] : [`${name}=${encodeURIComponent(value)}`],
  );
  return `../${path}${pairs.length > 0 ? `?${pairs.join('&')}` : ''}`;
}

async function problemOf(response: Response): Promise<ApiError> {
  const text = await response.text().catch(() => '');
  try {
    const problem = JSON.parse(text) as Record<string, Json>;
    const code = typeof problem.code === 'string' ? problem.code : 'unknown';
    const detail = typeof problem.detail === 'string' ? problem.detail : `The gateway answered ${response.status}.`;
    return new ApiError(response.status, code, detail, problem);
  } catch {
    return new ApiError(response.status, 'unknown', `The gateway answered ${response.status} without saying why.`);
  }
}

/** Waits until the person has given another key. */
function keyGiven(signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const before = key.peek();
    const stop = effect(() => {
      if (key.value !== before) queueMicrotask(() => (stop(), resolve()));
    });
    signal?.addEventListener('abort', () => {
      stop();
      reject(new DOMException('The request was given up.', 'AbortError'));
    });
  });
}

/**
 * Sends a request and gives back an answer of 2xx or 304; everything else is an `ApiError`.
 * On 401 the page asks for a key, and the request is sent again with it.
 */
export async function send(path: string, options: RequestOptions = {}): Promise<Response> {
  for (;;) {
    const used = key.peek();
    const response = await attempt(path, options, used);
    if (response.status !== 401) {
      if (used !== '') keyPrompt.value = null;
      if (response.ok || response.status === 304) return response;
      throw await problemOf(response);
    }
    if (key.peek() === used) {
      keyPrompt.value = used === '' ? 'none' : 'wrong';
      await keyGiven(options.signal);
    }
  }
}

async function attempt(path: string, options: RequestOptions, used: string): Promise<Response> {
  const headers = new Headers(options.headers);
  if (used !== '') headers.set('Authorization', `Bearer ${used}`);
  if (options.body !== undefined && !headers.has('Content-Type')) headers.set('Content-Type', 'application/json');
  try {
    const response = await fetch(address(path, options.query), {
      method: options.method ?? 'GET',
      headers,
      body: options.body,
      signal: options.signal,
      cache: 'no-store',
      credentials: 'omit',
      referrerPolicy: 'no-referrer',
    });
    if (unreachable.peek() !== null) {
      unreachable.value = null;
      reconnections.value += 1;
    }
    return response;
  } catch (error) {
    if (isAbort(error)) throw error;
    unreachable.value = 'The console cannot reach the gateway.';
    throw new ApiError(0, 'unreachable', 'The console cannot reach the gateway.');
  }
}

export async function sendForJson<T>(path: string, options?: RequestOptions): Promise<T> {
  return (await (await send(path, options)).json()) as T;
}

/** A segment of a path. */
export function segment(text: string): string {
  return encodeURIComponent(text);
}
