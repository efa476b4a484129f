// The variables of a conversation, as they are now.
import { effect } from '@preact/signals';
import { useEffect, useState } from 'preact/hooks';
import { ApiError, errorText, isAbort, type Conversation, type Variable } from '../../api';
import { segment, send } from '../../http';
import { tryParse, type Node } from '../../json';
import { timeText, visible } from '../../text';
import { sourceText } from './event-line';
import { Marks } from './marks';
import type { FeedStore } from './store';
import { memberOf, ValueView } from './value';

interface Shown {
  head: Conversation;
  variables: { name: string; about: Variable; value: Node | undefined }[];
}

const settleMs = 200;

export function VariablesPanel({ store }: { store: FeedStore }) {
  const [shown, setShown] = useState<Shown | null>(null);
  const [failure, setFailure] = useState<string | null>(null);

  useEffect(() => {
    const controller = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;

    async function ask(): Promise<void> {
      try {
        setShown(await conversationOf(store, controller.signal));
        setFailure(null);
      } catch (error) {
        if (isAbort(error)) return;
        setShown(null);
        setFailure(error instanceof ApiError && error.status === 404 ? null : errorText(error));
      }
    }

    const stop = effect(() => {
      // Nothing is asked before the stream has shown that the conversation is there.
      if (store.variablesVersion.value === 0 && store.version.value === 0) return;
      clearTimeout(timer);
      timer = setTimeout(() => void ask(), settleMs);
    });
    return () => {
      stop();
      clearTimeout(timer);
      controller.abort();
    };
  }, [store]);

  return (
    <aside class="variables" aria-labelledby="variables-title" data-testid="variables">
      <h3 id="variables-title">Variables</h3>
      {failure && <p class="error-text">{failure}</p>}
      {shown && <About head={shown.head} />}
      {shown?.variables.length === 0 && <p class="hint">None are set.</p>}
      <ul class="plain">
        {shown?.variables.map(({ name, about, value }) => (
          <li key={name} class="variable" data-testid="variable" data-name={name}>
            <code class="variable-name">{visible(name)}</code>
            <div class="variable-value">
              <ValueView node={value} label={`Value of ${name}`} />
            </div>
            <div class="variable-about hint">
              <span>{visible(sourceText(about.source))}</span> <time title={about.set_at}>{timeText(about.set_at)}</time>{' '}
              <Marks sensitive={about.sensitive} exposed={about.exposed} hidden={about.hidden} />
            </div>
          </li>
        ))}
      </ul>
    </aside>
  );
}

function About({ head }: { head: Conversation }) {
  return (
    <dl class="overview">
      {head.current_state !== null && (
        <div>
          <dt>State</dt>
          <dd>{visible(head.current_state)}</dd>
        </div>
      )}
      <div>
        <dt>Began</dt>
        <dd>{timeText(head.started_at)}</dd>
      </div>
      <div>
        <dt>{head.ended_at ? 'Ended' : 'Kept until'}</dt>
        <dd>{timeText(head.ended_at ?? head.expires_at)}</dd>
      </div>
    </dl>
  );
}

/** The conversation; values are read from the text, so that no digit is lost. */
async function conversationOf(store: FeedStore, signal: AbortSignal): Promise<Shown> {
  const response = await send(`v1/conversations/${segment(store.id)}`, { query: { environment: store.environment }, signal });
  const text = await response.text();
  const head = JSON.parse(text) as Conversation;
  const values = memberOf(tryParse(text) ?? undefined, 'variables');
  const variables = Object.entries(head.variables).map(([name, about]) => ({
    name,
    about,
    value: memberOf(memberOf(values, name), 'value'),
  }));
  return { head, variables };
}
