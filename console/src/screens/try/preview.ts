// The request as it would be sent, asked of the gateway a moment after each change. Nothing is sent by it.
import { effect, signal } from '@preact/signals';
import { api, ApiError, errorText, isAbort, type CallInput, type Preview } from '../../api';
import { loadActions } from '../../load';
import { callsDone, reconnections, status } from '../../state';
import { action, ready } from './call';

const DELAY_MS = 250;

export interface Previewed {
  /** The call that the answer belongs to. */
  call: CallInput;
  answer: Preview | null;
  /** Why there is no answer. */
  failed: string | null;
}

export const previewed = signal<Previewed | null>(null);
export const asking = signal(false);

async function ask(call: CallInput, signal: AbortSignal): Promise<void> {
  try {
    const answer = await api.preview(call, signal);
    previewed.value = { call, answer, failed: null };
  } catch (error) {
    if (isAbort(error)) return;
    if (error instanceof ApiError && error.status === 404) void loadActions();
    previewed.value = { call, answer: null, failed: errorText(error) };
  }
  if (!signal.aborted) asking.value = false;
}

/** Keeps the preview as it should be, until it is stopped. */
export function startPreview(): () => void {
  return effect(() => {
    const { call } = ready.value;
    // What the request depends on beside the form.
    void [callsDone.value, status.value?.loaded_at, action.value, reconnections.value];
    if (previewed.peek()?.call.name !== call?.name && call) previewed.value = null;
    if (!call) return;
    const controller = new AbortController();
    asking.value = true;
    const timer = setTimeout(() => void ask(call, controller.signal), previewed.peek() ? DELAY_MS : 0);
    return () => {
      clearTimeout(timer);
      controller.abort();
    };
  });
}

/** What a preview says against the fields of the form. */
export function sentences(previewOf: Previewed | null): { pointer: string; sentence: string }[] {
  const error = previewOf?.answer?.error;
  if (!error) return [];
  const missing = (error.missing_all ?? (error.missing ? [error.missing] : []))
    .filter((reference) => /^\.parameters\.\w+(\.\w+)*$/.test(reference))
    .map((reference) => ({
      pointer: reference.slice('.parameters'.length).replaceAll('.', '/'),
      sentence: 'The request needs this value.',
    }));
  return [...(error.violations ?? []), ...missing];
}
