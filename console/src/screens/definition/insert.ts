// Adds an output variable to the text of an action. Nothing else of the text changes: comments, order, indentation and
// line ends stay as they are.
import { VARIABLE_NAME } from '../../json';
import { insertIntoJson, jsonOutputs, looksLikeJson } from './insert-json';
import { commonEnd, splitLines } from './line-ends';
import { type Section, findSection, itemsOf, rootOf } from './yaml-outputs';
import { writeScalar } from './yaml-scalars';

export interface NewOutput {
  name: string;
  /** JSONPath into the answer. */
  path: string;
  /** Left out where it is not said. */
  expose?: boolean | null;
  sensitive?: boolean;
}

export interface Inserted {
  text: string;
  /** The line, from 1, on which the new variable begins. */
  line: number;
}

/** Why a text cannot be changed by itself; the lines can still be put in by hand. */
export class InsertError extends Error {
  override name = 'InsertError';
}

function fieldsOf({ name, path, expose, sensitive }: NewOutput): [string, string][] {
  const fields: [string, string][] = [
    ['name', writeScalar(name)],
    ['path', writeScalar(path)],
  ];
  if (expose !== undefined && expose !== null) fields.push(['expose', String(expose)]);
  if (sensitive === true) fields.push(['sensitive', 'true']);
  return fields;
}

function flowItem(output: NewOutput): string {
  return `{${fieldsOf(output)
    .map(([key, value]) => `${key}: ${value}`)
    .join(', ')}}`;
}

/** The lines to paste where there is no section yet. */
export function outputLines(output: NewOutput): string {
  return `output_variables:\n  - ${flowItem(output)}\n`;
}

/** The output variables that the text of an action has, as far as they can be read without reading all of it. */
export function outputsOf(text: string): { name: string; path: string | null }[] {
  if (looksLikeJson(text)) return jsonOutputs(text);
  const lines = splitLines(text.replace(/^\ufeff/, ''));
  const section = findSection(lines);
  return section === null ? [] : itemsOf(lines, section);
}

/** Throws {@link InsertError} where the text is not of a form that can be changed safely. */
export function insertOutput(text: string, output: NewOutput): Inserted {
  if (!VARIABLE_NAME.test(output.name)) throw new InsertError(`“${output.name}” is no name of an output variable.`);
  if (outputsOf(text).some(({ name }) => name === output.name)) {
    throw new InsertError(`The action has an output variable “${output.name}” already.`);
  }
  if (looksLikeJson(text)) return insertIntoJson(text, fieldsForJson(output));
  const mark = text.startsWith('\ufeff') ? '\ufeff' : '';
  const lines = splitLines(text.slice(mark.length));
  const end = commonEnd(lines);
  const section = findSection(lines);
  const edit = section === null ? addSection(lines, output) : addItem(lines, section, output);
  const { at, replace, insert, line } = edit;
  const offset = (row: number): number =>
    lines.slice(0, row).reduce((sum, part) => sum + part.text.length + part.end.length, 0);
  const body = text.slice(mark.length);
  if (replace !== null) {
    const from = offset(replace.row) + replace.from;
    const changed = body.slice(0, from) + replace.by + body.slice(offset(replace.row) + replace.to);
    if (insert.length === 0) return { text: mark + changed, line };
    const grown = replace.by.length - (replace.to - replace.from);
    return { text: mark + putLines(changed, offset(at) + grown, insert, end), line };
  }
  return { text: mark + putLines(body, offset(at), insert, end), line };
}

/** Puts lines in before the line that begins at `offset`. A text that ends without a line end still does. */
function putLines(text: string, offset: number, insert: readonly string[], end: string): string {
  const before = text.slice(0, offset);
  const after = text.slice(offset);
  const ended = before === '' || /[\r\n]$/.test(before);
  if (ended && (after !== '' || before !== '')) return before + insert.map((line) => line + end).join('') + after;
  if (before === '') return insert.map((line) => line + end).join('') + after;
  return before + insert.map((line) => end + line).join('') + after;
}

interface Edit {
  /** The row before which lines are put in. */
  at: number;
  insert: string[];
  /** Part of a row before `at` that is replaced. */
  replace: { row: number; from: number; to: number; by: string } | null;
  line: number;
}

function addSection(lines: ReturnType<typeof splitLines>, output: NewOutput): Edit {
  const { indent, end, listIndent } = rootOf(lines);
  const pad = ' '.repeat(indent);
  const insert = [`${pad}output_variables:`, `${pad}${' '.repeat(listIndent)}- ${flowItem(output)}`];
  return { at: end, insert, replace: null, line: end + 2 };
}

function addItem(lines: ReturnType<typeof splitLines>, section: Section, output: NewOutput): Edit {
  switch (section.kind) {
    case 'block': {
      const pad = ' '.repeat(section.indent);
      const gap = ' '.repeat(section.gap);
      const insert = section.flow
        ? [`${pad}-${gap}${flowItem(output)}`]
        : fieldsOf(output).map(([key, value], at) => `${pad}${at === 0 ? '-' : ' '}${gap}${key}: ${value}`);
      return { at: section.end, insert, replace: null, line: section.end + 1 };
    }
    case 'empty': {
      const { indent, listIndent } = rootOf(lines);
      const insert = [`${' '.repeat(indent + listIndent)}- ${flowItem(output)}`];
      const { row, from, to } = section;
      return { at: row + 1, insert, replace: to > from ? { row, from, to, by: '' } : null, line: row + 2 };
    }
    case 'flow': {
      const comma = section.comma ? '' : ',';
      const { row, column } = section.last;
      if (section.pad === null) {
        const by = `${comma} ${flowItem(output)}`;
        return { at: row + 1, insert: [], replace: { row, from: column, to: column, by }, line: row + 1 };
      }
      const replace = comma === '' ? null : { row, from: column, to: column, by: comma };
      const insert = [`${section.pad}${flowItem(output)}${section.comma ? ',' : ''}`];
      return { at: row + 1, insert, replace, line: row + 2 };
    }
    case 'unknown':
      throw new InsertError(section.why);
  }
}

function fieldsForJson({ name, path, expose, sensitive }: NewOutput): [string, string][] {
  const fields: [string, string][] = [
    ['name', JSON.stringify(name)],
    ['path', JSON.stringify(path)],
  ];
  if (expose !== undefined && expose !== null) fields.push(['expose', String(expose)]);
  if (sensitive === true) fields.push(['sensitive', 'true']);
  return fields;
}
