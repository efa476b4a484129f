import assert from 'node:assert/strict';
import { test } from 'node:test';

import { lineEndsNote, toEditor, toFile } from './line-ends';

test('a file that nobody touched is the same', () => {
  for (const file of ['', 'a', 'a\n', 'a\r\nb', 'a\rb\r\nc\n', '\ufeffa\r\n', '\r\n\r\n', '\n\r']) {
    assert.equal(toFile(toEditor(file), file), file);
  }
});

test('one kind of line ends stays', () => {
  assert.equal(toFile('a\nx\nb\n', 'a\r\nb\r\n'), 'a\r\nx\r\nb\r\n');
  assert.equal(toFile('a\nx', 'a\n'), 'a\nx');
  assert.equal(toFile('a\nb\n', '\ufeffa\n'), '\ufeffa\nb\n');
  assert.equal(toFile('a\nb', 'a'), 'a\nb');
});

test('untouched lines of a mixed file keep their ends', () => {
  const file = 'a\r\nb\nc\r\nd\r\ne';
  assert.equal(toFile('a\nb\nX\nd\ne', file), 'a\r\nb\nX\r\nd\r\ne');
  assert.equal(toFile('a\nb\nc\nnew\nd\ne', file), 'a\r\nb\nc\r\nnew\r\nd\r\ne');
  assert.equal(toFile('b\nc\nd\ne', file), 'b\nc\r\nd\r\ne');
  assert.equal(toFile('a\nb\nc\nd\ne\n', file), 'a\r\nb\nc\r\nd\r\ne\r\n');
  assert.equal(toFile('n\na\nb\nm\nd\ne', file), 'n\r\na\r\nb\nm\r\nd\r\ne');
});

test('line ends are told where they are unusual', () => {
  assert.equal(lineEndsNote('a\nb'), null);
  assert.equal(lineEndsNote('a\r\n'), 'CRLF line ends, kept as they are');
  assert.equal(lineEndsNote('\ufeffa\r\nb\n'), 'mixed line ends and a byte order mark, kept as they are');
});
