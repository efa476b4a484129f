// All that came of a call: what the caller heard, what the model gets, what the upstream said.
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { api, type CallResult } from '../../api';
import { CopyButton } from '../../components/copy';
import type { KnownOutput, Pick } from '../../components/tree';
import { tryParse } from '../../json/index';
import { href } from '../../route';
import { admin } from '../../state';
import { msText, timeText, visible } from '../../text';
import { issueText } from './issue';
import { outputsOf } from '../definition/insert';
import { OutputDialog } from './output-dialog';
import { ModelSection } from './model-section';
import { isMasked, seenByModel } from './model-value';
import { Heard, Times, Written } from './run-sections';
import { arrivedId, inspectionOf, resultOf, type Run, runningId, shown, shownId } from './runs';
import { UpstreamSection } from './upstream';
import { adviceText } from './words';

export function RunPanel() {
  const run = shown.value;
  if (!run) return null;
  const running = runningId.value === run.id;
  const panel = useArrival(run.id);
  return (
    <section ref={panel} class="panel run-panel" aria-labelledby="run-heading" aria-busy={running} data-testid="result">
      <div class="panel-head">
        <h2 id="run-heading">Result</h2>
        <span class="hint isolate">
          <span class="mono">{visible(run.call.name)}</span> in {visible(run.call.environment)}, {timeText(run.at)}
        </span>
        {!running && <CopyButton text={() => issueText(run)} label="Copy as issue" testid="copy-issue" />}
        {!running && (
          <button
            type="button"
            class="button button-small"
            aria-label="Hide the result"
            onClick={() => {
              shownId.value = null;
            }}
            data-testid="result-hide"
          >
            Hide
          </button>
        )}
      </div>
      <div class="panel-body">
        <RunView key={run.id} run={run} running={running} />
      </div>
    </section>
  );
}

/** In one column the result is below the form: the page goes to it once it is there. */
function useArrival(id: string) {
  const panel = useRef<HTMLElement>(null);
  const arrived = arrivedId.value === id;
  useLayoutEffect(() => {
    if (!arrived) return;
    arrivedId.value = null;
    if (matchMedia('(max-width: 899px)').matches) panel.current?.scrollIntoView({ block: 'start' });
  }, [arrived]);
  return panel;
}

function RunView({ run, running }: { run: Run; running: boolean }) {
  const root = useMemo(() => (run.result === null ? null : tryParse(run.result)), [run.result]);
  const result = useMemo(() => resultOf(run), [run.result]);
  const inspection = useMemo(() => inspectionOf(run), [run.inspection]);
  const [pick, setPick] = useState<Pick | null>(null);
  const outputs = useOutputs(run, inspection?.response != null);
  return (
    <div class="run-view">
      <div class="stack" aria-live="polite">
        <Outcome run={run} running={running} result={result} />
        {run.failed && (
          <p class="notice notice-error" data-testid="run-failed">
            {visible(run.failed)}
          </p>
        )}
        {run.cancellation && (
          <p class="notice" data-testid="run-cancellation">
            {visible(run.cancellation)}
          </p>
        )}
        {run.dropped && (
          <p class="notice">The answer was too large for the history of this tab, so its body is not here any more.</p>
        )}
      </div>
      <Heard run={run} running={running} />
      {result && root && (
        <ModelSection
          result={result}
          root={root}
          text={run.result ?? ''}
          dropped={run.dropped}
          response={inspection?.response ?? null}
          outputs={outputs}
          onPick={setPick}
        />
      )}
      {inspection?.response && <UpstreamSection response={inspection.response} outputs={outputs} onPick={setPick} />}
      {result && run.notInspected && <p class="hint">{run.notInspected}</p>}
      {inspection && <Written run={run} />}
      {inspection && <Times inspection={inspection} local={run.method === null} />}
      {pick && (
        <OutputDialog
          pick={pick}
          run={run}
          outputs={outputs}
          seen={seenByModel(pick.value, root, inspection?.response?.masked ?? [])}
          hidden={isMasked(pick.value, inspection?.response?.masked ?? [])}
          onClose={() => setPick(null)}
        />
      )}
    </div>
  );
}

/** The variables that the definition takes of an answer already. */
function useOutputs(run: Run, wanted: boolean): KnownOutput[] {
  const [outputs, setOutputs] = useState<KnownOutput[]>([]);
  const asked = wanted && admin.value;
  useEffect(() => {
    if (!asked) return;
    const controller = new AbortController();
    api.actionDefinition(run.call.name, run.call.environment, controller.signal).then(
      ({ text }) => setOutputs(outputsOf(text)),
      () => setOutputs([]),
    );
    return () => controller.abort();
  }, [asked, run.call.name, run.call.environment]);
  return outputs;
}

const STATUS_BADGES: Record<string, string> = {
  success: 'badge badge-ok',
  error: 'badge badge-error',
  failure: 'badge badge-error',
  exception: 'badge badge-warn',
};

function Outcome({ run, running, result }: { run: Run; running: boolean; result: CallResult | null }) {
  if (!result) {
    if (!running) return run.failed ? null : <p class="hint">There is no result.</p>;
    return <p class="hint">{run.startedMs === null ? 'The gateway has the call.' : 'The call is under way.'}</p>;
  }
  const { error } = result;
  return (
    <>
      <div class="run-facts">
        <span class={STATUS_BADGES[result.status] ?? 'badge'} data-testid="result-status">
          {visible(result.status)}
        </span>
        {result.status_code !== null && run.method !== null && <span>HTTP {result.status_code}</span>}
        <span>{msText(result.duration_ms)}</span>
        {result.attempts > 1 && <span>{result.attempts} attempts</span>}
        {result.replayed && <span class="badge badge-accent">replayed: the result of an earlier call</span>}
        {run.call.conversation_id && (
          <a href={href('live', [run.call.environment, run.call.conversation_id])}>Show in Live</a>
        )}
      </div>
      {error && (
        <div class="notice notice-error stack" data-testid="result-error">
          <p>
            <span class="badge badge-error">{visible(error.code)}</span>{' '}
            <span class="isolate">{visible(error.message)}</span>
          </p>
          <p>
            {adviceText(error.effect, error.retry)}{' '}
            <span class="hint">
              effect <code>{error.effect}</code>, retry <code>{error.retry}</code>
            </span>
          </p>
        </div>
      )}
    </>
  );
}
