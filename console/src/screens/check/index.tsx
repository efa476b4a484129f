// Check: the problems of the running version, those of a save that was not applied, and the button that reads the project again.
import { useRef, useState } from 'preact/hooks';
import { api, ApiError, errorText, isAbort, type Problems } from '../../api';
import { AdminNeeded } from '../../components/admin-needed';
import { sendForJson } from '../../http';
import { usePoll } from '../../poll';
import { visible } from '../../text';
import { Age } from '../health/age';
import { countsInWords } from './group';
import { clockText, reasonText } from './words';
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
            Running version read <Age at={problems.loaded_at} />
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

function Found({ problems: { problems, refused, loaded_at } }: { problems: Problems }) {
  const isClean = problems.length === 0;
  return (
    <>
      {refused && (
        <section class="refused" data-testid="check-refused" aria-labelledby="refused-title">
          <h2 id="refused-title">Your last save was not applied.</h2>
          <p>
            The gateway still uses the version from <time dateTime={loaded_at}>{clockText(loaded_at)}</time>.
          </p>
          {refused.problems.every(({ severity }) => severity !== 'error') && <p>{visible(reasonText(refused.reason))}</p>}
          <ProblemList problems={refused.problems} testid="refused-problems" />
        </section>
      )}
      <section class="served" aria-labelledby="served-title">
        <h2 id="served-title" class={isClean ? 'no-problems' : undefined} data-testid={isClean ? 'no-problems' : undefined}>
          {isClean && <span aria-hidden="true">✓ </span>}
          Running version: <span data-testid="check-counts">{countsInWords(problems)}</span>.
        </h2>
        {!isClean && <ProblemList problems={problems} testid="problems" />}
      </section>
    </>
  );
}

function Failure({ error }: { error: ApiError }) {
  if (isForbidden(error)) return <AdminNeeded testid="check-failure" />;
  return (
    <p class="notice notice-error" role="alert" data-testid="check-failure">
      {error.status === 404 ? 'This gateway does not tell its problems: it is older than this page.' : visible(error.message)}
    </p>
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
      setState({ said: refused ? 'Not applied. The gateway still uses the earlier version.' : errorText(error), good: false });
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
  const served = `Running version: ${countsInWords(problems)}.`;
  return refused ? `Your last save was not applied: ${countsInWords(refused.problems)}. ${served}` : served;
}
