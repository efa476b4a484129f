// Finds the list of output variables in the YAML text of an action, without reading the rest of it.
import type { Line } from './line-ends';
import { beginsComment, beginsQuoted, readScalar, skipQuoted, withoutComment } from './yaml-scalars';

/** Where the list is, and in which form. Rows count from 0. */
export type Section =
  | {
      /** One item on a line that begins with `-`. */
      kind: 'block';
      first: number;
      /** Behind the last row of the list. */
      end: number;
      indent: number;
      /** Spaces behind the `-`. */
      gap: number;
      /** Whether the last item stands in braces. */
      flow: boolean;
    }
  | {
      /** Nothing, `[]` or `null`, which stands at `from` to `to` of the row of the key. */
      kind: 'empty';
      row: number;
      from: number;
      to: number;
    }
  | {
      /** Items in brackets. */
      kind: 'flow';
      first: { row: number; column: number };
      /** Behind the last item, or behind the comma that follows it. */
      last: { row: number; column: number };
      comma: boolean;
      /** The indentation of a new line; null where all stands on one line. */
      pad: string | null;
    }
  | { kind: 'unknown'; why: string };

const KEY = /^(?:output_variables|"output_variables"|'output_variables')\s*:(?=\s|$)/;

function indentOf(text: string): number {
  return text.length - text.trimStart().length;
}

function isContent(text: string): boolean {
  const trimmed = text.trimStart();
  return trimmed !== '' && !trimmed.startsWith('#');
}

/** The mapping at the root: its indentation, the row behind it, and how far lists are indented in this file. */
export function rootOf(lines: readonly Line[]): { indent: number; first: number; end: number; listIndent: number } {
  let first = 0;
  while (first < lines.length) {
    const text = lines[first]?.text ?? '';
    if (isContent(text) && !/^(?:---|%)/.test(text)) break;
    first += 1;
  }
  const indent = indentOf(lines[first]?.text ?? '');
  let end = first;
  while (end < lines.length && !/^(?:---|\.\.\.)(?:\s|$)/.test(lines[end]?.text ?? '')) end += 1;
  return { indent, first, end, listIndent: listIndentOf(lines.slice(first, end)) };
}

/** How far the first list of a file is indented below its key; 2 where there is none. */
function listIndentOf(lines: readonly Line[]): number {
  let key: string | null = null;
  for (const { text } of lines) {
    if (!isContent(text)) continue;
    if (key !== null && /^\s*-(?:\s|$)/.test(text)) {
      const by = indentOf(text) - indentOf(key);
      if (by >= 0) return by;
    }
    key = /:$/.test(withoutComment(text)) ? text : null;
  }
  return 2;
}

export function findSection(lines: readonly Line[]): Section | null {
  const { indent, first, end } = rootOf(lines);
  const opening = lines[first]?.text.trimStart() ?? '';
  if (opening.startsWith('{')) return { kind: 'unknown', why: 'The file is one mapping in braces.' };
  for (let row = first; row < end; row += 1) {
    const text = lines[row]?.text ?? '';
    if (indentOf(text) !== indent) continue;
    const key = KEY.exec(text.slice(indent));
    if (key !== null) return sectionAt(lines, row, indent + key[0].length, indent, end);
  }
  return null;
}

function sectionAt(lines: readonly Line[], row: number, column: number, indent: number, end: number): Section {
  const text = lines[row]?.text ?? '';
  const value = withoutComment(text).slice(column);
  const from = column + indentOf(value);
  const trimmed = value.trim();
  if (trimmed === '') {
    const next = nextContent(lines, row + 1, end);
    const below = lines[next]?.text ?? '';
    if (next < end && indentOf(below) >= indent && /^-(?:\s|$)/.test(below.trimStart()))
      return blockAt(lines, next, indent, end);
    if (next < end && indentOf(below) > indent) {
      if (below.trimStart().startsWith('[')) return flowAt(lines, next, indentOf(below), null, end);
      return { kind: 'unknown', why: 'What stands below “output_variables” is no list.' };
    }
    return { kind: 'empty', row, from: column, to: column };
  }
  if (/^(?:null|Null|NULL|~)$/.test(trimmed)) return { kind: 'empty', row, from: column, to: from + trimmed.length };
  if (trimmed.startsWith('[')) return flowAt(lines, row, from, column, end);
  return { kind: 'unknown', why: '“output_variables” has a value of an unusual form.' };
}

function nextContent(lines: readonly Line[], from: number, end: number): number {
  let row = from;
  while (row < end && !isContent(lines[row]?.text ?? '')) row += 1;
  return row;
}

function blockAt(lines: readonly Line[], first: number, rootIndent: number, end: number): Section {
  const indent = indentOf(lines[first]?.text ?? '');
  let last = first;
  let lastItem = first;
  for (let row = first; row < end; row += 1) {
    const text = lines[row]?.text ?? '';
    if (text.trim() === '') continue;
    const here = indentOf(text);
    const comment = !isContent(text);
    const item = here === indent && /^-(?:\s|$)/.test(text.slice(here));
    if (comment) {
      // A comment below the list belongs to it as long as it is indented as its items are.
      if (here < indent || indent === rootIndent) continue;
    } else if (!item && here <= indent) break;
    if (item) lastItem = row;
    last = row;
  }
  const opening = /^-(\s*)(.*)$/.exec((lines[lastItem]?.text ?? '').slice(indent));
  const gap = opening?.[1]?.length ?? 1;
  const flow = (opening?.[2] ?? '').startsWith('{') || (opening?.[2] ?? '') === '';
  return { kind: 'block', first, end: last + 1, indent, gap: Math.max(1, gap), flow };
}

/** Reads a list in brackets that begins at a place. `key` is where the value of the key begins, on the same row. */
function flowAt(lines: readonly Line[], row: number, column: number, key: number | null, end: number): Section {
  let depth = 0;
  let last: { row: number; column: number } | null = null;
  let lastItem: { row: number; column: number } | null = null;
  let comma = false;
  for (let at = row; at < end; at += 1) {
    const text = lines[at]?.text ?? '';
    for (let next = at === row ? column : 0; next < text.length; next += 1) {
      const character = text[next] ?? '';
      if (/\s/.test(character)) continue;
      if (beginsComment(text, next)) break;
      if (character === ']' && depth === 1) {
        if (!/^\s*(?:#.*)?$/.test(text.slice(next + 1)))
          return { kind: 'unknown', why: 'The list is of an unusual form.' };
        if (last === null) {
          const whole = key !== null && at === row;
          return whole
            ? { kind: 'empty', row, from: key, to: next + 1 }
            : { kind: 'unknown', why: 'The list is empty and goes over several lines.' };
        }
        const pad = at === row ? null : paddingOf(lines, row, lastItem ?? last);
        return { kind: 'flow', first: { row, column }, last, comma, pad };
      }
      if (character === '[' || character === '{') {
        if (depth === 1) lastItem = { row: at, column: next };
        depth += 1;
        if (depth === 1) continue;
      } else if (character === ']' || character === '}') depth -= 1;
      comma = depth === 1 && character === ',';
      if (beginsQuoted(text, next)) next = skipQuoted(text, next) - 1;
      last = { row: at, column: next + 1 };
    }
  }
  return { kind: 'unknown', why: 'The list is never closed.' };
}

function paddingOf(lines: readonly Line[], row: number, item: { row: number; column: number }): string {
  const text = lines[item.row]?.text ?? '';
  return item.row === row ? ' '.repeat(item.column) : text.slice(0, indentOf(text));
}

/** The names and paths of a list. */
export function itemsOf(lines: readonly Line[], section: Section): { name: string; path: string | null }[] {
  let texts: string[];
  if (section.kind === 'block') {
    const rows = lines.slice(section.first, section.end).map(({ text }) => withoutComment(text));
    texts = [];
    for (const text of rows) {
      if (text.startsWith('-', section.indent)) texts.push(text.slice(section.indent + 1));
      else if (texts.length > 0) texts[texts.length - 1] += `\n${text}`;
    }
  } else if (section.kind === 'flow') {
    const rows = lines.slice(section.first.row, section.last.row + 1).map(({ text }) => withoutComment(text));
    rows[0] = (rows[0] ?? '').slice(section.first.column);
    texts = rows.join('\n').split(/(?<=\})\s*,/);
  } else return [];
  return texts.flatMap((text) => {
    const name = fieldOf(text, 'name');
    return name === null ? [] : [{ name, path: fieldOf(text, 'path') }];
  });
}

function fieldOf(item: string, key: string): string | null {
  const field = new RegExp(
    `(?:^|[{,\\[\\n]|^\\s)\\s*(?:${key}|"${key}"|'${key}')\\s*:\\s*("(?:[^"\\\\]|\\\\.)*"|'(?:[^']|'')*'|[^,}\\n]+)`,
  ).exec(item);
  return field === null ? null : readScalar(field[1] ?? '');
}
