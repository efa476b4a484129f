// The conversation that calls are made in, and what it knows.
import { useEffect, useState } from 'preact/hooks';
import { api, ApiError, errorText, isAbort } from '../../api';
import { cut, memberOf, type Node, parse, print } from '../../json/index';
import { href } from '../../route';
import { callsDone, conversationId, environment, madeUpId, newConversation, reconnections } from '../../state';
import { visible } from '../../text';
import { runs } from './runs';

const DELAY_MS = 300;
const SHOWN = 160;

interface Known {
  variables: { name: string; value: string; marks: string[] }[];
  state: string | null;
  ended: boolean;
}

type Shown = { known: Known } | { note: string } | null;

function knownOf(text: string): Known {
  const root = parse(text);
  const variables = memberOf(root, 'variables');
  const members = variables?.kind === 'object' ? variables.members : [];
  const state = memberOf(root, 'current_state');
  return {
    state: state?.kind === 'string' ? state.value : null,
    ended: memberOf(root, 'ended_at')?.kind === 'string',
    variables: members.map(({ name, value }) => {
      const content = memberOf(value, 'value');
      const marks = ['exposed', 'hidden', 'sensitive'].filter((mark) => memberOf(value, mark)?.kind === 'true');
      return { name, value: content ? textOf(content) : '', marks };
    }),
  };
}

function textOf(node: Node): string {
  const text = print(node);
  return text.length > SHOWN ? `${cut(text, SHOWN)}…` : text;
}

/** Whether the tab has made the id up and has made no call in it, so that there is nothing to ask for. */
function isNew(id: string, name: string): boolean {
  const used = runs.peek().some((run) => run.call.conversation_id === id && run.call.environment === name);
  return id === madeUpId.peek() && !used;
}

function useConversation(id: string): Shown {
  const [shown, setShown] = useState<Shown>(null);
  const name = environment.value;
  const done = callsDone.value;
  const again = reconnections.value;
  useEffect(() => {
    if (id === '' || name === '')
      return setShown({ note: 'Without a conversation, no call knows what another one learned.' });
    if (isNew(id, name)) return setShown({ note: 'Starts with the first call.' });
    const controller = new AbortController();
    const timer = setTimeout(() => {
      api.conversationText(id, name, controller.signal).then(
        (text) => setShown({ known: knownOf(text) }),
        (error: unknown) => {
          if (isAbort(error)) return;
          const none = error instanceof ApiError && error.code === 'conversation_not_found';
          setShown({ note: none ? 'Starts with the first call.' : errorText(error) });
        },
      );
    }, DELAY_MS);
    return () => {
      clearTimeout(timer);
      controller.abort();
    };
  }, [id, name, done, again]);
  return shown;
}

export function ConversationBlock() {
  const id = conversationId.value;
  const shown = useConversation(id.trim());
  return (
    <div class="try-conversation">
      <div class="row">
        <label class="label" for="conversation">
          Conversation
        </label>
        <input
          id="conversation"
          class="input mono grow"
          value={id}
          spellcheck={false}
          autocomplete="off"
          onInput={(event) => {
            conversationId.value = event.currentTarget.value;
          }}
          data-testid="conversation"
        />
        <button
          type="button"
          class="button button-small"
          onClick={() => {
            newConversation();
          }}
          data-testid="new-conversation"
        >
          New conversation
        </button>
        {id.trim() !== '' && (
          <a class="hint" href={href('live', [environment.value, id.trim()])}>
            Live
          </a>
        )}
      </div>
      <div data-testid="conversation-variables" aria-live="polite">
        {shown === null ? null : 'note' in shown ? (
          <p class="hint">{visible(shown.note)}</p>
        ) : (
          <Variables known={shown.known} />
        )}
      </div>
    </div>
  );
}

function Variables({ known }: { known: Known }) {
  const notes = [known.ended ? 'It has ended.' : null, known.state === null ? null : `State: ${visible(known.state)}`];
  const note = notes.filter(Boolean).join(' ');
  return (
    <>
      {note !== '' && <p class="hint isolate">{note}</p>}
      {known.variables.length === 0 ? (
        <p class="hint">No variables yet.</p>
      ) : (
        <dl class="known">
          {known.variables.map(({ name, value, marks }) => (
            <div key={name}>
              <dt class="mono isolate">{visible(name)}</dt>
              <dd class="mono isolate">
                {visible(value)}
                {marks.map((mark) => (
                  <span key={mark} class="badge">
                    {mark}
                  </span>
                ))}
              </dd>
            </div>
          ))}
        </dl>
      )}
    </>
  );
}
