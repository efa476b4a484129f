// Adds an output variable to an action that is written in JSON.
import { type Node, memberOf, parse, tryParse } from '../../json';
import { commonEnd, splitLines } from './line-ends';

export function looksLikeJson(text: string): boolean {
  return /^\ufeff?\s*\{/.test(text) && tryParse(text)?.kind === 'object';
}

export function jsonOutputs(text: string): { name: string; path: string | null }[] {
  const list = memberOf(parse(text), 'output_variables');
  if (list?.kind !== 'array') return [];
  return list.items.flatMap((item) => {
    const name = memberOf(item, 'name');
    const path = memberOf(item, 'path');
    return name?.kind === 'string' ? [{ name: name.value, path: path?.kind === 'string' ? path.value : null }] : [];
  });
}

/** The white space before a value, from the line end on; null where it does not begin its line. */
function breakBefore(text: string, at: number): string | null {
  return /(?:\r\n|\r|\n)([ \t]*)$/.exec(text.slice(0, at))?.[1] ?? null;
}

export function insertIntoJson(text: string, fields: readonly [string, string][]): { text: string; line: number } {
  const root = parse(text);
  const end = commonEnd(splitLines(text));
  const item = `{${fields.map(([key, value]) => `"${key}": ${value}`).join(', ')}}`;
  const list = memberOf(root, 'output_variables');
  const put = (from: number, to: number, by: string): { text: string; line: number } => {
    const before = text.slice(0, from) + by.slice(0, by.indexOf(item));
    return { text: text.slice(0, from) + by + text.slice(to), line: before.split(/\r\n|\r|\n/).length };
  };
  if (list?.kind === 'array') {
    const last = list.items[list.items.length - 1];
    if (last === undefined) return put(list.start, list.end, `[${item}]`);
    const pad = breakBefore(text, last.start);
    return put(last.end, last.end, pad === null ? `, ${item}` : `,${end}${pad}${item}`);
  }
  if (list !== undefined) return put(list.start, list.end, `[${item}]`);
  const last: Node | undefined = root.kind === 'object' ? root.members[root.members.length - 1]?.value : undefined;
  if (last === undefined) return put(root.start, root.end, `{"output_variables": [${item}]}`);
  const name = text.lastIndexOf('"', nameEnd(text, last.start));
  const pad = breakBefore(text, text.lastIndexOf('"', name - 1));
  const member = `"output_variables": [${item}]`;
  return put(last.end, last.end, pad === null ? `, ${member}` : `,${end}${pad}${member}`);
}

/** Where the name of the member whose value begins at `at` ends. */
function nameEnd(text: string, at: number): number {
  return text.lastIndexOf(':', at - 1);
}
