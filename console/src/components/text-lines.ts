// Where the lines of a text begin when long ones are broken after a number of characters.

export interface Lines {
  readonly starts: Int32Array;
  readonly count: number;
  readonly text: string;
}

export function breakLines(text: string, columns: number): Lines {
  let starts = new Int32Array(1024);
  let count = 0;
  const add = (at: number): void => {
    if (count === starts.length) {
      const more = new Int32Array(starts.length * 2);
      more.set(starts);
      starts = more;
    }
    starts[count] = at;
    count += 1;
  };
  let at = 0;
  for (;;) {
    const feed = text.indexOf('\n', at);
    const end = feed < 0 ? text.length : feed;
    add(at);
    while (end - at > columns) {
      at += columns;
      // A pair of surrogates stays together.
      const code = text.charCodeAt(at);
      if (code >= 0xdc00 && code < 0xe000) at -= 1;
      add(at);
    }
    if (feed < 0) break;
    at = feed + 1;
  }
  // What follows a last line feed is no line.
  if (count > 1 && starts[count - 1] === text.length) count -= 1;
  return { starts, count, text };
}

/** A line without its line feed. */
export function lineAt(lines: Lines, row: number): string {
  const start = lines.starts[row] ?? 0;
  let end = row + 1 < lines.count ? (lines.starts[row + 1] ?? lines.text.length) : lines.text.length;
  if (lines.text.charCodeAt(end - 1) === 10 && end > start) end -= 1;
  return lines.text.slice(start, end);
}
