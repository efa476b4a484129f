import type { Problem } from '../../api';
import { definitionHref } from '../../route';
import { visible } from '../../text';
import { groupByFile, placeOf } from './group';

/** Problems by file; each leads to its place in the definition. */
export function ProblemList({ problems, testid }: { problems: readonly Problem[]; testid: string }) {
  return (
    <div class="problem-files" data-testid={testid}>
      {groupByFile(problems).map((group) => (
        <section key={group.file} class="problem-file" data-testid="problem-file">
          <h3>
            <bdi>{visible(group.file)}</bdi>
          </h3>
          <ul>
            {group.problems.map((problem, place) => (
              <ProblemItem key={place} problem={problem} />
            ))}
          </ul>
        </section>
      ))}
    </div>
  );
}

function ProblemItem({ problem }: { problem: Problem }) {
  const isError = problem.severity === 'error';
  return (
    <li class={`problem ${isError ? 'is-error' : 'is-warning'}`} data-testid="problem">
      <span class="severity">
        <span aria-hidden="true">{isError ? '✕' : '▲'}</span> {isError ? 'Error' : 'Warning'}
      </span>
      <a class="place" href={definitionHref(problem.file, problem.line, problem.column)} data-testid="problem-link">
        {placeOf(problem)}
        <span class="visually-hidden"> of {problem.file}</span>
      </a>
      <div class="said">
        <p class="message">{visible(problem.message)}</p>
        {problem.hint && <p class="hint">{visible(problem.hint)}</p>}
      </div>
      <code class="problem-code">{problem.code}</code>
    </li>
  );
}
