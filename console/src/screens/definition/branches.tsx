// The body of an action in every combination of its branches, filled in with samples.
import { useState } from 'preact/hooks';
import { api } from '../../api';
import { Visible } from '../../components/text-view';
import { definitionHref } from '../../route';
import { visible } from '../../text';
import { useAsked } from './use-asked';

const STEP = 12;

interface BranchesProps {
  action: string;
  environment: string;
  file: string;
  version: string;
}

export function BranchesView({ action, environment, file, version }: BranchesProps) {
  const asked = useAsked(
    (abort) => api.actionBranches(action, environment, abort),
    `${action} ${environment} ${version}`,
  );
  const [most, setMost] = useState(STEP);
  if (asked.state === 'asking') return <p class="hint">Loading…</p>;
  if (asked.state === 'failed') return <p class="notice notice-error">{visible(asked.why)}</p>;
  const { combinations, truncated } = asked.value;
  if (combinations.length === 0) {
    return <p class="empty">This action has no body template, so there is nothing to combine.</p>;
  }
  const faulty = combinations.filter(({ problem }) => problem !== null).length;
  return (
    <div class="stack" data-testid="branches">
      <p class="hint">
        {combinations.length === 1 ? 'One combination' : `${combinations.length} combinations`}, filled in with samples
        {faulty > 0 && <strong class="error-text">; {faulty} with a problem</strong>}
        {truncated && '; there are more than are shown'}.
      </p>
      {combinations.slice(0, most).map(({ decisions, text, problem }, at) => (
        <section key={at} class="branch" aria-label={`Combination ${at + 1}`} data-testid="branch">
          <h2>Combination {at + 1}</h2>
          {decisions.length === 0 && <p class="hint">Nothing to decide.</p>}
          <ul class="branch-decisions">
            {decisions.map(({ condition, taken, line, column }, index) => (
              <li key={index}>
                <span class={taken ? 'badge badge-ok' : 'badge'}>{taken ? 'yes' : 'no'}</span>{' '}
                <code class="isolate">{visible(condition)}</code>{' '}
                <a class="hint" href={definitionHref(file, line, column)}>
                  line {line}
                </a>
              </li>
            ))}
          </ul>
          {problem !== null && <p class="notice notice-error isolate">{visible(problem)}</p>}
          <pre class="code">
            <Visible text={text} />
          </pre>
        </section>
      ))}
      {combinations.length > most && (
        <button type="button" class="button" onClick={() => setMost(most + STEP)}>
          Show more
        </button>
      )}
    </div>
  );
}
