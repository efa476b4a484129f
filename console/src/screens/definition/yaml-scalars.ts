// Scalars of YAML: how to write one, and how to read one.

/** Plain words that YAML 1.1 or 1.2 reads as something else than a text. */
const WORDS = /^(?:true|false|null|yes|no|on|off|y|n)$/i;

/** A text as a scalar that means the same in a block and between braces. */
export function writeScalar(text: string): string {
  const plain = /^(?:[A-Za-z_][A-Za-z0-9_.-]*|\$[A-Za-z0-9_.]*)$/.test(text) && !WORDS.test(text);
  return plain ? text : JSON.stringify(text);
}

/** The text of a scalar that stands alone; null where it is no simple one. */
export function readScalar(written: string): string | null {
  const text = written.trim();
  if (text.startsWith('"')) {
    try {
      return JSON.parse(text) as string;
    } catch {
      return null;
    }
  }
  if (text.startsWith("'"))
    return text.endsWith("'") && text.length > 1 ? text.slice(1, -1).replaceAll("''", "'") : null;
  return text === '' || /^[&*!|>{[]/.test(text) ? null : text;
}

/** Where a quoted scalar that begins at `at` ends (behind its quote). */
export function skipQuoted(text: string, at: number): number {
  const quote = text[at];
  for (let next = at + 1; next < text.length; next += 1) {
    const character = text[next];
    if (character === '\\' && quote === '"') next += 1;
    else if (character === quote) {
      if (quote === "'" && text[next + 1] === "'") next += 1;
      else return next + 1;
    }
  }
  return text.length;
}

/** Whether a `#` at this place begins a comment. */
export function beginsComment(text: string, at: number): boolean {
  return text[at] === '#' && (at === 0 || /[\s]/.test(text[at - 1] ?? ''));
}

/** Whether a quote at this place begins a quoted scalar: nothing plain is right before it. */
export function beginsQuoted(text: string, at: number): boolean {
  return (text[at] === '"' || text[at] === "'") && /(?:^|[\s,:{[])$/.test(text.slice(Math.max(0, at - 1), at));
}

/** The part of a line before its comment, without trailing space. */
export function withoutComment(line: string): string {
  for (let at = 0; at < line.length; at += 1) {
    if (beginsComment(line, at)) return line.slice(0, at).trimEnd();
    if (beginsQuoted(line, at)) at = skipQuoted(line, at) - 1;
  }
  return line.trimEnd();
}
