// The names of the parameters that an action binds itself, from its YAML text.
import { splitLines } from './line-ends';
import { rootOf } from './yaml-outputs';
import { beginsQuoted, readScalar, skipQuoted, withoutComment } from './yaml-scalars';

const BIND = /^(?:bind|"bind"|'bind')\s*:(?=\s|$)/;
const KEY = /^("(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^\s"'{}[\],#&*!|>][^:]*?)\s*:(?=\s|$)/;

export function boundNames(text: string): ReadonlySet<string> {
  const lines = splitLines(text);
  const { indent, first, end } = rootOf(lines);
  const rows = lines.slice(first, end).map((line) => withoutComment(line.text));
  const at = rows.findIndex((row) => indentOf(row) === indent && BIND.test(row.slice(indent)));
  if (at < 0) return new Set();
  const value = (rows[at] ?? '').slice(indent).replace(BIND, '').trim();
  let below = rows.slice(at + 1).filter((row) => row.trim() !== '');
  const next = below.findIndex((row) => indentOf(row) <= indent && !/^\s*[}\]]/.test(row));
  if (next >= 0) below = below.slice(0, next);
  if (value.startsWith('{')) return new Set(flowKeys([value, ...below].join('\n')));
  const opening = below[0] ?? '';
  if (opening.trimStart().startsWith('{')) return new Set(flowKeys(below.join('\n').trimStart()));
  const keys = below
    .filter((row) => indentOf(row) === indentOf(opening))
    .flatMap((row) => KEY.exec(row.trimStart())?.[1] ?? []);
  return new Set(keys.flatMap((key) => readScalar(key) ?? []));
}

/** The keys of a mapping in braces, which the text begins with. */
function flowKeys(text: string): string[] {
  const keys: string[] = [];
  let depth = 0;
  let from = 0;
  for (let at = 0; at < text.length; at += 1) {
    if (beginsQuoted(text, at)) {
      at = skipQuoted(text, at) - 1;
      continue;
    }
    const character = text[at] ?? '';
    if (character === '{' || character === '[') depth += 1;
    else if (character === '}' || character === ']') depth -= 1;
    if (depth === 0) break;
    if (depth > 1) continue;
    if (character === '{' || character === ',') from = at + 1;
    else if (character === ':' && from >= 0 && /[\s,}]|^$/.test(text[at + 1] ?? '')) {
      const key = readScalar(text.slice(from, at));
      if (key !== null) keys.push(key);
      from = -1;
    }
  }
  return keys;
}

function indentOf(row: string): number {
  return row.length - row.trimStart().length;
}
