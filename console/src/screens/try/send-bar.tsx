// The button that sends, and what is asked before a write.
import { signal } from '@preact/signals';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { Action, CallInput } from '../../api';
import { Dialog } from '../../components/dialog';
import { environment, isProduction } from '../../state';
import { msText, visible } from '../../text';
import { isWrite, ready } from './call';
import { previewed } from './preview';
import { runningId, runs } from './runs';
import { cancelCall, sendCall } from './send';

export interface Question {
  call: CallInput;
  action: Action;
  /** Where it went when it was made before; null where it was not, or it is not known. */
  again: { url: string | null } | null;
}

const KEYS = /Mac|iPhone|iPad/.test(navigator.platform) ? '⌘ Enter' : 'Ctrl + Enter';

/** A write that waits for a yes. */
export const question = signal<Question | null>(null);

/** Sends at once, or asks first: a write in production, and every write that is made again. */
export function sendOrAsk(call: CallInput, action: Action, again: Question['again'] = null): void {
  if (runningId.peek() !== null) return;
  if (isWrite(action) && (again || isProduction(call.environment))) question.value = { call, action, again };
  else void sendCall(call, action);
}

function useElapsed(running: boolean): number {
  const [elapsed, setElapsed] = useState(0);
  useEffect(() => {
    if (!running) return;
    const begun = performance.now();
    setElapsed(0);
    const timer = setInterval(() => setElapsed(performance.now() - begun), 100);
    return () => clearInterval(timer);
  }, [running]);
  return elapsed;
}

export function SendBar({ action }: { action: Action }) {
  const { call } = ready.value;
  const under = runs.value.find((run) => run.id === runningId.value);
  const running = under !== undefined;
  const elapsed = useElapsed(running);
  const production = isProduction(environment.value);
  const send = () => {
    const now = ready.peek().call;
    // The button keeps the focus while it does nothing.
    if (now && document.querySelector('dialog[open]') === null) sendOrAsk(now, action);
  };

  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      send();
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  });

  // Cancel goes when the call has ended; who stood on it goes on from Send.
  const button = useRef<HTMLButtonElement>(null);
  const cancel = useRef<HTMLButtonElement>(null);
  const leaves = !running && cancel.current !== null && cancel.current === document.activeElement;
  useLayoutEffect(() => {
    if (leaves) button.current?.focus({ preventScroll: true });
  }, [leaves]);

  const danger = production && isWrite(action);
  const off = running || call === null;
  return (
    <div class="send-bar">
      <button
        ref={button}
        type="button"
        class={off ? 'button button-off' : danger ? 'button button-danger' : 'button button-primary'}
        aria-disabled={off}
        aria-describedby={call === null || (under && under.call.name !== action.name) ? 'send-state' : undefined}
        onClick={send}
        data-testid="send"
      >
        {production ? 'Send to production' : 'Send'}
      </button>
      {under ? (
        <>
          <button
            ref={cancel}
            type="button"
            class="button"
            onClick={() => void cancelCall(under)}
            data-testid="cancel"
          >
            Cancel
          </button>
          {under.call.name !== action.name && (
            <span id="send-state" class="hint isolate" data-testid="under-way">
              {visible(under.call.name)} is under way
            </span>
          )}
          <span class="hint number" data-testid="elapsed">
            {msText(elapsed)}
          </span>
        </>
      ) : call === null ? (
        <span id="send-state" class="error-text">
          Fix the JSON to send.
        </span>
      ) : (
        <span class="hint send-keys">{KEYS}</span>
      )}
      <Confirm />
    </div>
  );
}

function Confirm() {
  const asked = question.value;
  if (!asked) return null;
  const { call, action, again } = asked;
  const production = isProduction(call.environment);
  const preview = previewed.value;
  const url = again ? again.url : preview?.call === call ? preview.answer?.request?.url : null;
  const close = () => {
    question.value = null;
  };
  const send = () => {
    close();
    void sendCall(call, action);
  };
  return (
    <Dialog
      title={again ? 'Send this write again?' : 'Send a write to production?'}
      onClose={close}
      closeButton={false}
      testid="confirm"
      actions={
        <>
          <button type="button" class="button" onClick={close} data-autofocus data-testid="confirm-no">
            Do not send
          </button>
          <button
            type="button"
            class={production ? 'button button-danger' : 'button button-primary'}
            onClick={send}
            data-testid="confirm-yes"
          >
            {production ? 'Send to production' : 'Send again'}
          </button>
        </>
      }
    >
      <div class="stack">
        <p>This call changes something in the service behind the action{again ? ', and it was made before' : ''}.</p>
        <dl class="pairs">
          <dt>Environment</dt>
          <dd>
            <strong class={production ? 'text-production' : undefined}>{visible(call.environment)}</strong>
            {production && call.environment !== 'production' && ' (production)'}
          </dd>
          <dt>Action</dt>
          <dd class="mono isolate">{visible(action.name)}</dd>
          <dt>Method</dt>
          <dd class="mono">{action.method ?? action.type}</dd>
          {url && (
            <>
              <dt>URL</dt>
              <dd class="mono isolate">{visible(url)}</dd>
            </>
          )}
        </dl>
      </div>
    </Dialog>
  );
}
