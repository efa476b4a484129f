// The calls of this tab: to see again, to open, to send again, to tell others about.
import { CopyButton } from '../../components/copy';
import { actions } from '../../state';
import { timeText, visible } from '../../text';
import { issueText } from './issue';
import { openInTry } from './open';
import { clearRuns, resultOf, type Run, runningId, runs, shownId } from './runs';
import { sendOrAsk } from './send-bar';

export function HistoryPanel() {
  const list = runs.value;
  if (list.length === 0) return null;
  return (
    <section class="panel" aria-labelledby="history-heading" data-testid="history">
      <div class="panel-head">
        <h2 id="history-heading">History of this tab</h2>
        <button type="button" class="button button-small" onClick={clearRuns} data-testid="history-clear">
          Clear
        </button>
      </div>
      <ol class="panel-body past">
        {list.map((run) => (
          <HistoryEntry key={run.id} run={run} />
        ))}
      </ol>
    </section>
  );
}

function Status({ run }: { run: Run }) {
  if (runningId.value === run.id) return <span class="badge badge-accent">under way</span>;
  const result = resultOf(run);
  if (!result) return <span class="badge badge-error">no result</span>;
  const kind = result.status === 'success' ? 'badge-ok' : result.status === 'exception' ? 'badge-warn' : 'badge-error';
  return <span class={`badge ${kind}`}>{result.error ? visible(result.error.code) : visible(result.status)}</span>;
}

function HistoryEntry({ run }: { run: Run }) {
  const action = actions.value?.find((one) => one.name === run.call.name);
  const again = () => {
    if (action) sendOrAsk({ ...run.call, tool_call_id: undefined }, action, { url: run.request?.url ?? null });
  };
  return (
    <li>
      <button
        type="button"
        class="past-show"
        aria-current={shownId.value === run.id ? 'true' : undefined}
        onClick={() => {
          shownId.value = run.id;
        }}
        data-testid={`history-${run.id}`}
      >
        <span class="hint number">{timeText(run.at)}</span>
        <span class="mono isolate">{visible(run.call.name)}</span>
        <span class="hint isolate">{visible(run.call.environment)}</span>
        <Status run={run} />
      </button>
      <button
        type="button"
        class="button-link"
        aria-label={`Open ${run.call.name} in the form`}
        onClick={() =>
          openInTry({
            environment: run.call.environment,
            action: run.call.name,
            arguments: run.call.arguments,
            variables: run.call.variables,
            deadline: run.call.deadline_ms,
          })
        }
        data-testid="history-open"
      >
        Open
      </button>
      <button
        type="button"
        class="button-link"
        disabled={!action || runningId.value !== null}
        aria-label={`Send again: ${run.call.name}`}
        onClick={again}
        data-testid="send-again"
      >
        Send again
      </button>
      <CopyButton text={() => issueText(run)} label="Copy as issue" what={run.call.name} testid="history-issue" />
    </li>
  );
}
