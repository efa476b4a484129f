// Why a text is no JSON, and where that shows.
import { JsonSyntaxError, parse } from './parse';

/** Such as `line 1, column 15: a value is expected`; null where the text is JSON. */
export function faultOf(text: string): string | null {
  try {
    parse(text);
    return null;
  } catch (error) {
    return faultText(text, error);
  }
}

/** The same of an error that reading the text has thrown. */
export function faultText(text: string, error: unknown): string {
  if (!(error instanceof JsonSyntaxError)) return String(error);
  const before = text.slice(0, error.offset);
  const line = before.split(/\r\n|\r|\n/);
  return `line ${line.length}, column ${(line[line.length - 1]?.length ?? 0) + 1}: ${error.message}`;
}

/** A sentence for a field; null where the text is JSON. */
export function notJson(text: string): string | null {
  const fault = faultOf(text);
  return fault === null ? null : `Not JSON: ${fault}.`;
}
