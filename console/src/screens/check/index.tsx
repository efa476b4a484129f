// Check: the problems of the project, those of the last refused reload, and the button that reads the project again.
import { useRef, useState } from 'preact/hooks';
import { api, ApiError, errorText, isAbort, type Problems } from '../../api';
import { sendForJson } from '../../http';
import { usePoll } from '../../poll';
import { Age } from '../health/age';
import { countsInWords } from './group';
import { ProblemList } from './problem-list';

const pollEveryMs = 1500;

export default function CheckScreen() {
  const [problems, setProblems] = useState<Problems | null>(null);
  const [failure, setFailure] = useState<ApiError | null>(null);
  const etag = useRef<string | undefined>(undefined);

  const lookAgain = usePoll(async (signal) => {
    try {
      const answer = await api.problems(etag.current, signal);
      etag.current = answer.etag;
      if (answer.value) setProblems(answer.value);
      setFailure(null);
    } catch (error) {
      // The frame of the page says that there is no gateway; what is shown stays.
      if (error instanceof ApiError) setFailure(error.code === 'unreachable' ? null : error);
      else if (!isAbort(error)) throw error;
    }
  }, pollEveryMs);

  return (
    <section class="check" data-testid="check-screen" aria-labelledby="check-title">
      <header class="screen-head">
        <h1 id="check-title">Check</h1>
        {problems && (
          <p class="hint" data-testid="check-loaded">
            Served project read <Age at={problems.loaded_at} />
          </p>
        )}
        <ReloadButton done={lookAgain} />
      </header>
      <p class="visually-hidden" role="status" aria-live="polite" data-testid="check-announcement">
        {problems ? announcement(problems) : ''}
      </p>
      {failure && <Failure error={failure} />}
      {!problems && !failure && <p class="hint">Asking the gateway …</p>}
      {problems && !isForbidden(failure) && <Found problems={problems} />}
    </section>
  );
}

function Found({ problems }: { problems: Problems }) {
  const { refused } = problems;
  return (
    <>
      {refused && (
        <section class="refused" data-testid="check-refused" aria-labelledby="refused-title">
          <h2 id="refused-title">The last reload was refused</h2>
          <p>
            {refused.reason} <span class="hint">(<Age at={refused.at} />)</span>
          </p>
          <p class="hint">The project from before serves on.</p>
          <ProblemList problems={refused.problems} testid="refused-problems" />
        </section>
      )}
      <section class="served" aria-labelledby="served-title">
        <h2 id="served-title">
          Served project: <span data-testid="check-counts">{countsInWords(problems.problems)}</span>
        </h2>
        {problems.problems.length === 0 ? (
          <p class="no-problems" data-testid="no-problems">
            <span aria-hidden="true">✓</span> No problems.
          </p>
        ) : (
          <ProblemList problems={problems.problems} testid="problems" />
        )}
      </section>
    </>
  );
}

function Failure({ error }: { error: ApiError }) {
  return (
    <div class="notice notice-error" role="alert" data-testid="check-failure">
      {isForbidden(error) ? (
        <p>
          This needs a key with <code>admin = true</code> in its <code>[[keys]]</code> of <code>callgate.toml</code>. The key of
          this tab has none.
        </p>
      ) : (
        <p>{error.status === 404 ? 'This gateway does not tell its problems: it is older than this page.' : error.message}</p>
      )}
    </div>
  );
}

type Reloading = 'no' | 'yes' | { said: string; good: boolean };

function ReloadButton({ done }: { done: () => void }) {
  const [state, setState] = useState<Reloading>('no');

  async function reload(): Promise<void> {
    setState('yes');
    try {
      await sendForJson('admin/reload', { method: 'POST' });
      setState({ said: 'The project was read again.', good: true });
    } catch (error) {
      const refused = error instanceof ApiError && error.status === 422;
      setState({ said: refused ? 'The reload was refused.' : errorText(error), good: false });
    }
    done();
  }

  return (
    <div class="reload">
      <button type="button" class="button" data-testid="reload" disabled={state === 'yes'} onClick={() => void reload()}>
        Reload now
      </button>
      <span role="status" class={typeof state === 'object' && !state.good ? 'error-text' : 'hint'} data-testid="reload-outcome">
        {typeof state === 'object' ? state.said : ''}
      </span>
    </div>
  );
}

function isForbidden(error: ApiError | null): boolean {
  return error?.status === 403;
}

function announcement({ problems, refused }: Problems): string {
  const served = `Served project: ${countsInWords(problems)}.`;
  return refused ? `The last reload was refused: ${countsInWords(refused.problems)}. ${served}` : served;
}
