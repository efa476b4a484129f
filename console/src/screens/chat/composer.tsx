// The field for what is said, and the button that stops an answer.
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { Dialog } from '../../components/dialog';
import { isProduction } from '../../state';
import { visible } from '../../text';
import type { Chat } from './chat';
import { draft, keepChats } from './chats';

export function Composer({ chat }: { chat: Chat }) {
  const field = useRef<HTMLTextAreaElement>(null);
  const [asks, setAsks] = useState(false);
  const running = chat.running.value;
  const production = isProduction(chat.environment);
  const canSend = running === null && draft.value.trim() !== '';

  // A field of another conversation is another field: who is here wants to say something.
  useLayoutEffect(() => field.current?.focus({ preventScroll: true }), []);

  async function say(text: string): Promise<void> {
    draft.value = '';
    const turn = await chat.say(text);
    keepChats();
    // What was not taken is there to be sent again, unless something else is being typed.
    if (turn.state === 'broken' && turn.parts.length === 0 && draft.peek() === '') draft.value = text;
  }

  function send(): void {
    const text = draft.peek().trim();
    if (chat.running.peek() !== null || text === '') return;
    if (production && !chat.mayWrite) setAsks(true);
    else void say(text);
  }

  function agree(): void {
    setAsks(false);
    chat.mayWrite = true;
    send();
  }

  function stop(): void {
    chat.stop();
    field.current?.focus({ preventScroll: true });
  }

  function onKeyDown(event: KeyboardEvent): void {
    if (event.key === 'Escape' && chat.running.peek() !== null) {
      event.preventDefault();
      stop();
    }
    // Enter also takes what an input method suggests.
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    send();
  }

  return (
    <form
      class="chat-composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <label class="label" for="chat-message">
        Message
      </label>
      <textarea
        id="chat-message"
        ref={field}
        class="textarea chat-message"
        rows={2}
        value={draft.value}
        aria-describedby="chat-keys"
        onInput={(event) => {
          draft.value = event.currentTarget.value;
        }}
        onKeyDown={onKeyDown}
        data-testid="chat-message"
      />
      <div class="row">
        <button
          type="submit"
          class={canSend ? `button ${production ? 'button-danger' : 'button-primary'}` : 'button button-off'}
          aria-disabled={!canSend}
          data-testid="chat-send"
        >
          {production ? 'Send to production' : 'Send'}
        </button>
        {running && (
          <button type="button" class="button" onClick={stop} data-testid="chat-stop">
            Stop the answer
          </button>
        )}
        <span id="chat-keys" class="hint">
          {running ? 'Esc stops the answer' : 'Enter sends, Shift + Enter breaks the line'}
        </span>
      </div>
      {asks && (
        <Dialog
          title="Talk to an agent in production?"
          onClose={() => setAsks(false)}
          closeButton={false}
          testid="confirm"
          actions={
            <>
              <button type="button" class="button" onClick={() => setAsks(false)} data-autofocus data-testid="confirm-no">
                Do not send
              </button>
              <button type="button" class="button button-danger" onClick={agree} data-testid="confirm-yes">
                Send to production
              </button>
            </>
          }
        >
          <p>
            The agent calls its actions in <strong class="text-production">{visible(chat.environment)}</strong>, and what they
            change is changed. This conversation is not asked about again.
          </p>
        </Dialog>
      )}
    </form>
  );
}
