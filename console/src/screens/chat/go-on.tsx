// Chooses a conversation to go on with: one of this tab, one that the gateway lists, or one by its id.
import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { api, errorText, isAbort, type ConversationHead } from '../../api';
import { Dialog } from '../../components/dialog';
import { timeText, visible } from '../../text';
import { Age } from '../health/age';
import { chatsWith } from './chats';

const listed = 50;

interface GoOnProps {
  environment: string;
  agent: string;
  choose: (id: string) => void;
  close: () => void;
}

export function GoOnDialog({ environment, agent, choose, close }: GoOnProps) {
  const [id, setId] = useState('');
  const [known, setKnown] = useState<ConversationHead[] | null>(null);
  const [failure, setFailure] = useState<string | null>(null);
  useEffect(() => {
    const controller = new AbortController();
    api.conversations(environment, undefined, listed, controller.signal).then(
      ({ conversations }) => setKnown(conversations),
      (error: unknown) => {
        if (!isAbort(error)) setFailure(errorText(error));
      },
    );
    return () => controller.abort();
  }, [environment]);

  const own = chatsWith(environment, agent);
  const others = known?.filter((head) => head.ended_at === null && !own.some((chat) => chat.id === head.id)) ?? [];
  const wanted = id.trim();
  const open = (event: Event) => {
    event.preventDefault();
    if (wanted !== '') choose(wanted);
  };
  return (
    <Dialog title="Go on with a conversation" onClose={close} testid="go-on">
      <div class="stack">
        <form class="row" onSubmit={open}>
          <label class="label" for="go-on-id">
            Id
          </label>
          <input
            id="go-on-id"
            class="input mono grow"
            autocomplete="off"
            spellcheck={false}
            value={id}
            onInput={(event) => setId(event.currentTarget.value)}
            data-testid="go-on-id"
          />
          <button type="submit" class="button" disabled={wanted === ''} data-testid="go-on-open">
            Go on
          </button>
        </form>
        {own.length > 0 && (
          <section class="stack" aria-labelledby="go-on-own">
            <h3 id="go-on-own">Of this tab</h3>
            <ul class="go-on-list">
              {own.map((chat) => (
                <Choice key={chat.id} id={chat.id} choose={choose} about={timeText(chat.usedAt)} said={chat.turns.at(-1)?.said} />
              ))}
            </ul>
          </section>
        )}
        <section class="stack" aria-labelledby="go-on-others">
          <h3 id="go-on-others">Of the gateway</h3>
          {failure && <p class="error-text">{visible(failure)}</p>}
          {!known && !failure && <p class="hint">Asking the gateway …</p>}
          {known && others.length === 0 && <p class="hint">There is no other one.</p>}
          <ul class="go-on-list">
            {others.map((head) => (
              <Choice key={head.id} id={head.id} choose={choose} about={<Age at={head.started_at} />} />
            ))}
          </ul>
        </section>
      </div>
    </Dialog>
  );
}

interface ChoiceProps {
  id: string;
  choose: (id: string) => void;
  about: ComponentChildren;
  said?: string | undefined;
}

function Choice({ id, choose, about, said }: ChoiceProps) {
  return (
    <li>
      <button type="button" class="go-on-choice" onClick={() => choose(id)} data-testid="go-on-choice">
        <bdi class="mono conversation-id">{visible(id)}</bdi>
        <span class="hint">{about}</span>
        {said !== undefined && <span class="go-on-said">{visible(said)}</span>}
      </button>
    </li>
  );
}
