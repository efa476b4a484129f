// Which lines of two texts are the same, with what has not changed folded away.
import { diffLines } from 'diff';

export interface DiffLine {
  kind: 'same' | 'added' | 'removed';
  text: string;
  /** The number of the line before and after; null where it is not there. */
  before: number | null;
  after: number | null;
}

export interface DiffGap {
  kind: 'gap';
  lines: DiffLine[];
}

/** How many lines around a change stay in sight. */
const CONTEXT = 3;
/** A comparison that takes longer shows one text in place of the other. */
const MOST_MS = 150;

function linesOf(text: string): string[] {
  if (text === '') return [];
  const lines = text.split('\n');
  if (lines[lines.length - 1] === '') lines.pop();
  return lines;
}

export function compareLines(before: string, after: string): DiffLine[] {
  const parts = diffLines(before, after, { timeout: MOST_MS }) ?? [
    { value: before, removed: true, added: false },
    { value: after, removed: false, added: true },
  ];
  const lines: DiffLine[] = [];
  let left = 1;
  let right = 1;
  for (const { value, added, removed } of parts) {
    for (const text of linesOf(value)) {
      const kind = added ? 'added' : removed ? 'removed' : 'same';
      lines.push({ kind, text, before: added ? null : left, after: removed ? null : right });
      if (!added) left += 1;
      if (!removed) right += 1;
    }
  }
  return lines;
}

/** Folds the lines that are far from any change. */
export function fold(lines: readonly DiffLine[]): (DiffLine | DiffGap)[] {
  const near = new Array<boolean>(lines.length).fill(false);
  lines.forEach(({ kind }, at) => {
    if (kind === 'same') return;
    for (let by = -CONTEXT; by <= CONTEXT; by += 1) if (at + by >= 0 && at + by < lines.length) near[at + by] = true;
  });
  const folded: (DiffLine | DiffGap)[] = [];
  let gap: DiffLine[] = [];
  const close = (): void => {
    if (gap.length <= 2) folded.push(...gap);
    else folded.push({ kind: 'gap', lines: gap });
    gap = [];
  };
  lines.forEach((line, at) => {
    if (!near[at]) {
      gap.push(line);
      return;
    }
    close();
    folded.push(line);
  });
  close();
  return folded;
}
