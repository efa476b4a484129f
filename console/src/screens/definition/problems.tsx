// What is wrong with the project as it would be with the text that is typed.
import type { Problem } from '../../api';
import { definitionHref } from '../../route';
import { visible } from '../../text';
import { kindOf } from './kinds';

interface ProblemsProps {
  problems: readonly Problem[];
  /** The file that is open: its problems come first. */
  file: string;
  /** Goes to a place in the file that is open. */
  onGo: (line: number, column: number) => void;
}

export function placeText({ file, line, column }: Problem): string {
  if (line === 0) return file;
  return column === 0 ? `${file}:${line}` : `${file}:${line}:${column}`;
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

export function countsText(problems: readonly Problem[]): string {
  const errors = problems.filter(({ severity }) => severity === 'error').length;
  return `${counted(errors, 'error')}, ${counted(problems.length - errors, 'warning')}`;
}

export function ProblemsView({ problems, file, onGo }: ProblemsProps) {
  const sorted = [...problems].sort(
    (a, b) =>
      Number(b.file === file) - Number(a.file === file) ||
      Number(b.severity === 'error') - Number(a.severity === 'error') ||
      a.line - b.line,
  );
  if (sorted.length === 0) return <p class="hint">No problems.</p>;
  return (
    <ul class="definition-problems" data-testid="definition-problems">
      {sorted.map((problem, at) => (
        <li key={at} class="definition-problem" data-testid="definition-problem">
          <span class={problem.severity === 'error' ? 'badge badge-error' : 'badge badge-warn'}>
            {problem.severity}
          </span>
          <div>
            <Place problem={problem} open={problem.file === file} onGo={onGo} />{' '}
            <code class="hint">{problem.code}</code>
            <p class="isolate">{visible(problem.message)}</p>
            {problem.hint !== null && <p class="hint isolate">{visible(problem.hint)}</p>}
          </div>
        </li>
      ))}
    </ul>
  );
}

function Place({ problem, open, onGo }: { problem: Problem; open: boolean; onGo: ProblemsProps['onGo'] }) {
  const { file, line, column } = problem;
  const text = visible(placeText(problem));
  if (kindOf(file) === null) return <span class="mono isolate">{text}</span>;
  return (
    <a
      class="mono isolate"
      href={definitionHref(file, line, column)}
      onClick={(event) => {
        if (!open) return;
        event.preventDefault();
        onGo(line, column);
      }}
    >
      {text}
    </a>
  );
}
