// Problems of a project, in the order in which a person works through them.
import type { Problem } from '../../types';

export interface FileProblems {
  file: string;
  problems: Problem[];
}

/** Problems by file. Files with errors come first, then by name; in a file by place. */
export function groupByFile(problems: readonly Problem[]): FileProblems[] {
  const files = new Map<string, Problem[]>();
  for (const problem of problems) {
    const known = files.get(problem.file);
    if (known) known.push(problem);
    else files.set(problem.file, [problem]);
  }
  const groups = [...files].map(([file, list]) => ({ file, problems: list.sort(byPlace) }));
  return groups.sort((a, b) => rank(a) - rank(b) || (a.file < b.file ? -1 : 1));
}

/** Such as "2 errors, 1 warning", or "no problems". */
export function countsInWords(problems: readonly Problem[]): string {
  const errors = problems.filter((problem) => problem.severity === 'error').length;
  const others = problems.length - errors;
  const parts = [];
  if (errors > 0) parts.push(`${errors} ${errors === 1 ? 'error' : 'errors'}`);
  if (others > 0) parts.push(`${others} ${others === 1 ? 'warning' : 'warnings'}`);
  return parts.length > 0 ? parts.join(', ') : 'no problems';
}

/** The place as an editor knows it; line 0 means the whole file. */
export function placeOf(problem: Problem): string {
  return problem.line > 0 ? `${problem.line}:${problem.column}` : 'whole file';
}

function byPlace(a: Problem, b: Problem): number {
  return a.line - b.line || a.column - b.column;
}

function rank(group: FileProblems): number {
  return group.problems.some((problem) => problem.severity === 'error') ? 0 : 1;
}
