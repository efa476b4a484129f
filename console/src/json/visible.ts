// Characters that one does not see, or that reorder others, as escapes that one does see.

// Control characters, marks and overrides of direction, zero-width and interlinear characters, line and
// paragraph separators, tag characters, and surrogates that stand alone. With the flag `u`, a surrogate that is
// half of a pair does not match.
const HIDDEN =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}\ud800-\udfff]/gu;

function escapeOf(character: string): string {
  let escape = '';
  for (let at = 0; at < character.length; at += 1) {
    escape += `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`;
  }
  return escape;
}

const SHORT: Readonly<Record<string, string>> = {
  '\b': '\\b',
  '\t': '\\t',
  '\n': '\\n',
  '\f': '\\f',
  '\r': '\\r',
};

/** A text as JSON shows it, without its quotes: on one line, and nothing hidden in it. */
export function visibleJson(text: string): string {
  return text.replace(/["\\]/g, '\\$&').replace(HIDDEN, (character) => SHORT[character] ?? escapeOf(character));
}

/** A piece of a text: as it is, or an escape in place of a character. */
export interface Piece {
  readonly text: string;
  readonly escape: boolean;
}

/** A text that is shown as it is, but for hidden characters. Tabs stay; line feeds are up to the caller. */
export function visiblePieces(text: string): Piece[] {
  const pieces: Piece[] = [];
  let from = 0;
  for (const match of text.matchAll(HIDDEN)) {
    const character = match[0];
    if (character === '\t' || character === '\n') continue;
    if (match.index > from) pieces.push({ text: text.slice(from, match.index), escape: false });
    pieces.push({ text: SHORT[character] ?? escapeOf(character), escape: true });
    from = match.index + character.length;
  }
  if (from < text.length || pieces.length === 0) pieces.push({ text: text.slice(from), escape: false });
  return pieces;
}

/** Cuts a text without tearing a pair of surrogates. */
export function cut(text: string, most: number): string {
  if (text.length <= most) return text;
  const code = text.charCodeAt(most - 1);
  return text.slice(0, code >= 0xd800 && code < 0xdc00 ? most - 1 : most);
}

/** The escape of one code point, for views that draw characters themselves. */
export function escapeOfCode(code: number): string {
  return escapeOf(String.fromCodePoint(code));
}

/** The characters that {@link visibleJson} escapes, as a fresh expression. */
export function hiddenCharacters(): RegExp {
  return new RegExp(HIDDEN.source, HIDDEN.flags);
}
