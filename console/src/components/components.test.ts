import assert from 'node:assert/strict';
import { test } from 'node:test';
import { atPointer, parse, pathOf } from '../json';
import { compareLines, fold } from './diff-lines';
import { breakLines, lineAt } from './text-lines';
import { containersIn, find, firstOpen, isShadowed, openAround, shownRows, withAround } from './tree-model';

function shown(text: string, columns: number): string[] {
  const lines = breakLines(text, columns);
  return Array.from({ length: lines.count }, (_, row) => lineAt(lines, row));
}

test('lines are broken where they are long', () => {
  assert.deepEqual(shown('', 10), ['']);
  assert.deepEqual(shown('a\nb', 10), ['a', 'b']);
  assert.deepEqual(shown('a\n\nb\n', 10), ['a', '', 'b']);
  assert.deepEqual(shown('abcdef\ng', 3), ['abc', 'def', 'g']);
  assert.deepEqual(shown('ab😀cd', 3), ['ab', '😀c', 'd']);
  assert.equal(shown('x'.repeat(3_000_000), 100).length, 30_000);
});

test('a tree opens as much as fits', () => {
  const small = parse('{"a":{"b":[1,2]},"c":[]}');
  assert.equal(shownRows(small, firstOpen(small)).length, 6);
  const wide = parse(JSON.stringify({ list: Array.from({ length: 1000 }, (_, at) => ({ at })), one: 1 }));
  assert.deepEqual(shownRows(wide, firstOpen(wide)).map(pathOf), ['$', '$.list', '$.one']);
  const list = parse(JSON.stringify(Array.from({ length: 1000 }, (_, at) => ({ at }))));
  assert.equal(shownRows(list, firstOpen(list)).length, 1001);
});

test('all rows of a deep document', () => {
  const deep = parse('['.repeat(10_000) + ']'.repeat(10_000));
  assert.equal(shownRows(deep, new Set(containersIn(deep))).length, 10_000);
});

test('values are found by name and content', async () => {
  const root = parse('{"Order":{"id":12},"list":["order 7",{"x":null}]}');
  const paths = async (text: string) => (await find(root, text, () => false))?.map(pathOf);
  assert.deepEqual(await paths('order'), ['$.Order', '$.list[0]']);
  assert.deepEqual(await paths('12'), ['$.Order.id']);
  assert.deepEqual(await paths('nul'), ['$.list[1].x']);
  assert.deepEqual(await paths(''), []);
  assert.equal(await find(root, 'x', () => true), null);
  const found = (await find(root, 'nul', () => false)) ?? [];
  const open = new Set([root]);
  openAround(found[0] ?? root, open);
  assert.deepEqual(shownRows(root, open, withAround(found)).map(pathOf), ['$', '$.list', '$.list[1]', '$.list[1].x']);
});

test('a member whose name comes again is marked', () => {
  const root = parse('{"a":1,"b":2,"a":3}');
  assert.equal(root.kind === 'object' && root.members.map(({ value }) => isShadowed(value)).join(), 'true,false,false');
  assert.equal(atPointer(root, '/a')?.index, 2);
});

test('lines are compared', () => {
  assert.deepEqual(compareLines('a\nb\nc\n', 'a\nx\nc\n'), [
    { kind: 'same', text: 'a', before: 1, after: 1 },
    { kind: 'removed', text: 'b', before: 2, after: null },
    { kind: 'added', text: 'x', before: null, after: 2 },
    { kind: 'same', text: 'c', before: 3, after: 3 },
  ]);
  assert.deepEqual(compareLines('', 'a'), [{ kind: 'added', text: 'a', before: null, after: 1 }]);
});

test('what is far from a change is folded', () => {
  const lines = Array.from({ length: 20 }, (_, at) => `line ${at}`);
  const changed = lines.map((line, at) => (at === 10 ? 'changed' : line));
  const rows = fold(compareLines(`${lines.join('\n')}\n`, `${changed.join('\n')}\n`));
  assert.deepEqual(
    rows.map((row) => (row.kind === 'gap' ? row.lines.length : row.kind)),
    [7, 'same', 'same', 'same', 'removed', 'added', 'same', 'same', 'same', 6],
  );
});
