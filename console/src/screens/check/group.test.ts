import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Problem } from '../../types';
import { countsInWords, groupByFile, placeOf } from './group';

function problem(file: string, severity: Problem['severity'], line: number): Problem {
  return { file, severity, line, column: 3, code: 'c', message: 'm', hint: null };
}

test('files with errors come first, problems stand by place', () => {
  const groups = groupByFile([
    problem('a.yaml', 'warning', 1),
    problem('z.yaml', 'warning', 9),
    problem('z.yaml', 'error', 2),
  ]);
  assert.deepEqual(groups.map((group) => [group.file, group.problems.map(({ line }) => line)]), [
    ['z.yaml', [2, 9]],
    ['a.yaml', [1]],
  ]);
});

test('counts are in words', () => {
  assert.equal(countsInWords([]), 'no problems');
  assert.equal(countsInWords([problem('a', 'error', 1)]), '1 error');
  assert.equal(countsInWords([problem('a', 'error', 1), problem('a', 'warning', 1), problem('a', 'warning', 1)]), '1 error, 2 warnings');
});

test('line 0 is the whole file', () => {
  assert.equal(placeOf(problem('a', 'error', 0)), 'whole file');
  assert.equal(placeOf(problem('a', 'error', 4)), '4:3');
});
