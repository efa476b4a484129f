// What is called and with what: the action, the conversation, the arguments.
import { useState } from 'preact/hooks';
import type { Action } from '../../api';
import { SchemaForm } from '../../form/form';
import { definitionHref } from '../../route';
import { visible } from '../../text';
import { KindBadge } from './action-list';
import { change, current, ready, reset, schema } from './call';
import { ConversationBlock } from './conversation';
import { previewed, sentences } from './preview';
import { durationText } from './words';

export function CallPanel({ action }: { action: Action }) {
  const preview = previewed.value?.call.name === action.name ? previewed.value : null;
  return (
    <section class="panel" aria-labelledby="action-heading">
      <div class="action-head">
        <div class="row">
          <h2 id="action-heading" class="mono isolate">
            {visible(action.name)}
          </h2>
          <KindBadge action={action} />
          {action.file && (
            <a class="hint" href={definitionHref(action.file)} data-testid="open-definition">
              Definition
            </a>
          )}
        </div>
        <p class="hint isolate">{visible(action.description)}</p>
        <Terms action={action} />
      </div>
      <ConversationBlock />
      <div class="panel-body stack stack-large">
        <SchemaForm
          key={action.name}
          schema={schema.value}
          draft={current.value.draft}
          onChange={(draft) => change({ draft })}
          // What was said of an earlier text says nothing of one that cannot be read.
          violations={ready.value.call === null ? [] : sentences(preview)}
        />
        <Options key={`options ${action.name}`} />
        <div>
          <button type="button" class="button-link" onClick={reset} data-testid="reset">
            Reset form
          </button>
        </div>
      </div>
    </section>
  );
}

/** When the action may be called, and how long it takes. */
function Terms({ action }: { action: Action }) {
  const terms = [`Timeout ${durationText(action.timeout_ms)}`];
  if (action.expected_ms) {
    const { p50, p95 } = action.expected_ms;
    terms.push(`usually ${durationText(p50)} (p95 ${durationText(p95)})`);
  }
  if (action.max_calls !== undefined) terms.push(`at most ${action.max_calls} times in a conversation`);
  if (action.available_in?.length) terms.push(`only in the states ${action.available_in.join(', ')}`);
  if (action.only_after) terms.push(`only after ${JSON.stringify(action.only_after)}`);
  const outputs = action.output_variables.map((output) => output.name);
  if (outputs.length > 0) terms.push(`saves ${outputs.join(', ')}`);
  return <p class="hint isolate">{visible(terms.join(' · '))}</p>;
}

function Options() {
  const { variables, deadline } = current.value;
  const { variablesError, deadlineError } = ready.value;
  const [open, setOpen] = useState(variables !== '' || deadline !== '');
  return (
    <details class="options" open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary data-testid="options">Variables and deadline of this call</summary>
      <div class="stack">
        <div class="field">
          <label class="label" for="call-variables">
            Variables
          </label>
          <p class="hint">They hold for this call alone and win over those of the conversation.</p>
          <textarea
            id="call-variables"
            class="textarea"
            rows={3}
            spellcheck={false}
            placeholder={'{"account.status": "gold"}'}
            value={variables}
            aria-invalid={variablesError !== null}
            aria-describedby="call-variables-error"
            onInput={(event) => change({ variables: event.currentTarget.value })}
            data-testid="call-variables"
          />
          <p id="call-variables-error" class="error-text">
            {variablesError}
          </p>
        </div>
        <div class="field">
          <label class="label" for="call-deadline">
            Deadline in milliseconds
          </label>
          <input
            id="call-deadline"
            class="input input-short"
            inputMode="numeric"
            value={deadline}
            placeholder="that of the action"
            aria-invalid={deadlineError !== null}
            aria-describedby="call-deadline-error"
            onInput={(event) => change({ deadline: event.currentTarget.value })}
            data-testid="call-deadline"
          />
          <p id="call-deadline-error" class="error-text">
            {deadlineError}
          </p>
        </div>
      </div>
    </details>
  );
}
