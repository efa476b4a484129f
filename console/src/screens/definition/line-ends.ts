// The line ends of a file. The editor knows line feeds alone; what is saved has the ends that the file had.
import { diffArrays } from 'diff';

export interface Line {
  text: string;
  /** What ends it: empty for a last line that nothing ends. */
  end: string;
}

const BOM = '\ufeff';

export function splitLines(text: string): Line[] {
  const lines: Line[] = [];
  const ends = /\r\n|\r|\n/g;
  let from = 0;
  for (let match = ends.exec(text); match !== null; match = ends.exec(text)) {
    lines.push({ text: text.slice(from, match.index), end: match[0] });
    from = ends.lastIndex;
  }
  if (from < text.length) lines.push({ text: text.slice(from), end: '' });
  return lines;
}

/** The line end that most lines have; `\n` where there is none. */
export function commonEnd(lines: readonly Line[]): string {
  const counts = new Map<string, number>();
  for (const { end } of lines) if (end !== '') counts.set(end, (counts.get(end) ?? 0) + 1);
  let common = '\n';
  let most = 0;
  for (const [end, count] of counts) {
    if (count > most) {
      most = count;
      common = end;
    }
  }
  return common;
}

/** The text of a file as the editor takes it: no byte order mark, line feeds alone. */
export function toEditor(text: string): string {
  const body = text.startsWith(BOM) ? text.slice(1) : text;
  return body.replace(/\r\n?/g, '\n');
}

/** The text of the editor as the file it came from would have it: untouched lines keep their ends, new lines get the
 * common one, and a byte order mark stays. */
export function toFile(edited: string, file: string): string {
  if (toEditor(file) === edited) return file;
  const mark = file.startsWith(BOM) ? BOM : '';
  const old = splitLines(mark === '' ? file : file.slice(1));
  const common = commonEnd(old);
  const uniform = old.every(({ end }) => end === '' || end === common);
  if (uniform) return mark + (common === '\n' ? edited : edited.replaceAll('\n', common));
  return mark + withOldEnds(splitLines(edited), old, common);
}

function withOldEnds(lines: Line[], old: Line[], common: string): string {
  const ends: (string | undefined)[] = [];
  let first = 0;
  while (first < lines.length && first < old.length && lines[first]?.text === old[first]?.text) {
    ends[first] = old[first]?.end;
    first += 1;
  }
  let last = 0;
  const most = Math.min(lines.length, old.length) - first;
  while (last < most && lines[lines.length - 1 - last]?.text === old[old.length - 1 - last]?.text) {
    ends[lines.length - 1 - last] = old[old.length - 1 - last]?.end;
    last += 1;
  }
  const texts = (all: Line[]): string[] => all.slice(first, all.length - last).map(({ text }) => text);
  const parts = diffArrays(texts(old), texts(lines), { timeout: 200 }) ?? [];
  let before = first;
  let after = first;
  for (const { added, removed, count } of parts) {
    if (!added && !removed) for (let at = 0; at < count; at += 1) ends[after + at] = old[before + at]?.end;
    if (!added) before += count;
    if (!removed) after += count;
  }
  return lines
    .map(({ text, end }, at) => {
      if (end === '') return text;
      const kept = ends[at];
      return text + (kept === undefined || kept === '' ? common : kept);
    })
    .join('');
}

/** What to say of the line ends of a file, where they are not the usual ones. */
export function lineEndsNote(file: string): string | null {
  const notes: string[] = [];
  const kinds = new Set(splitLines(file).flatMap(({ end }) => (end === '' ? [] : [end])));
  if (kinds.size > 1) notes.push('mixed line ends');
  else if (kinds.has('\r\n')) notes.push('CRLF line ends');
  else if (kinds.has('\r')) notes.push('CR line ends');
  if (file.startsWith(BOM)) notes.push('a byte order mark');
  return notes.length === 0 ? null : `${notes.join(' and ')}, kept as they are`;
}
