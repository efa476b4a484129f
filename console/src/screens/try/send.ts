// Makes a call and keeps what comes of it, also where the answer breaks off.
import { api, ApiError, errorText, type Action, type CallInput, type Delayed, type Started } from '../../api';
import { loadActions, loadStatus } from '../../load';
import type { SseEvent } from '../../sse';
import { callsDone, status } from '../../state';
import { randomHex } from '../../text';
import { isWrite } from './call';
import { previewed } from './preview';
import { addRun, arrivedId, changeRun, type Run, runningId, runs } from './runs';

export const NOT_ADMIN = 'This key is not an admin key, so the gateway does not say what went on inside the call.';

const BROKE_OFF =
  'The gateway ended the answer before the result came. The call may have been made; look at the conversation in Live.';

function newRun(call: CallInput, action: Action): Run {
  const preview = previewed.peek();
  const same = preview?.call.name === call.name ? preview.answer : null;
  return {
    id: `console-${randomHex(12)}`,
    at: Date.now(),
    call,
    method: action.method ?? null,
    write: isWrite(action),
    request: same?.request ?? null,
    curl: same?.curl ?? null,
    said: [],
    startedMs: null,
    result: null,
    inspection: null,
    endedMs: null,
    failed: null,
    cancellation: null,
    notInspected: null,
    dropped: false,
  };
}

/** Sends the call now. What is asked before is the business of the caller. */
export async function sendCall(call: CallInput, action: Action): Promise<void> {
  const run = newRun(call, action);
  const inspect = status.peek()?.admin !== false;
  addRun({ ...run, notInspected: inspect ? null : NOT_ADMIN });
  runningId.value = run.id;
  const begun = performance.now();
  try {
    await read(run, inspect, begun);
  } catch (error) {
    changeRun(run.id, { failed: failure(run.id, error) });
    if (error instanceof ApiError && error.status === 404) void loadActions();
  } finally {
    changeRun(run.id, { endedMs: performance.now() - begun });
    runningId.value = null;
    arrivedId.value = run.id;
    callsDone.value += 1;
  }
}

function failure(id: string, error: unknown): string {
  if (error instanceof ApiError) return error.message;
  void loadStatus();
  const started = runs.peek().find((run) => run.id === id)?.startedMs !== null;
  return started ? BROKE_OFF : `The answer broke off (${errorText(error)}). The call may have been made.`;
}

async function read(run: Run, inspect: boolean, begun: number): Promise<void> {
  const call = { ...run.call, tool_call_id: run.id, inspect };
  try {
    let whole = false;
    for await (const event of api.call(call)) {
      take(run.id, event, performance.now() - begun);
      whole ||= event.event === 'completed' || event.event === 'problem';
    }
    if (!whole) {
      changeRun(run.id, { failed: BROKE_OFF });
      void loadStatus();
    }
  } catch (error) {
    if (!(inspect && error instanceof ApiError && error.code === 'admin_only')) throw error;
    changeRun(run.id, { notInspected: NOT_ADMIN });
    await read(run, false, begun);
  }
}

function take(id: string, event: SseEvent, ms: number): void {
  const run = runs.peek().find((one) => one.id === id);
  if (!run) return;
  switch (event.event) {
    case 'started': {
      const { text } = JSON.parse(event.data) as Started;
      return changeRun(id, { startedMs: ms, said: text ? [...run.said, { kind: 'started', ms, text }] : run.said });
    }
    case 'delayed': {
      const { text } = JSON.parse(event.data) as Delayed;
      return changeRun(id, { said: [...run.said, { kind: 'delayed', ms, text }] });
    }
    case 'completed': {
      const failed = (JSON.parse(event.data) as { speech?: { failed?: string } }).speech?.failed;
      const said: Run['said'] = failed ? [...run.said, { kind: 'failed', ms, text: failed }] : run.said;
      return changeRun(id, { result: event.data, said, endedMs: ms });
    }
    case 'problem': {
      const { problem } = JSON.parse(event.data) as { problem?: { detail?: string } };
      return changeRun(id, { failed: problem?.detail ?? 'The gateway could not make the call.' });
    }
    case 'inspection':
      return changeRun(id, { inspection: event.data });
  }
}

const CANCELLED: Record<string, string> = {
  not_sent: 'Cancelled: nothing was sent.',
  already_sent: 'Too late to cancel: the request was already sent.',
};

export async function cancelCall(run: Run): Promise<void> {
  try {
    const answer = await api.cancelCall(run.id, run.call.environment, run.call.conversation_id);
    changeRun(run.id, { cancellation: CANCELLED[answer.cancellation] ?? answer.cancellation });
  } catch (error) {
    const gone = error instanceof ApiError && error.code === 'call_not_found';
    changeRun(run.id, { cancellation: gone ? 'The call has ended already.' : errorText(error) });
  }
}
