// What a person has typed into a form: an entry for each field, by its JSON Pointer. Entries stay when the schema changes.
import { child, isWithin } from './pointer';

/** Left out, `null`, a value made of the fields, or JSON as it was typed. */
export type Mode = 'absent' | 'null' | 'value' | 'raw';

export interface Entry {
  mode?: Mode;
  /** Of a text or number: as it was typed. */
  text?: string;
  /** Of a choice between values: the JSON of the chosen one. */
  json?: string;
  /** Of raw JSON: as it was typed. */
  raw?: string;
  /** Which variants are chosen, the outermost first. */
  variant?: number[];
  /** Of a list: how many items. */
  count?: number;
  /** Of an object: names of members that the schema does not name. */
  extra?: string[];
}

export type Draft = Record<string, Entry>;

export function withEntry(draft: Draft, pointer: string, change: Partial<Entry>): Draft {
  return { ...draft, [pointer]: { ...draft[pointer], ...change } };
}

/** The draft without the fields at and in `pointer`. */
export function without(draft: Draft, pointer: string): Draft {
  return Object.fromEntries(Object.entries(draft).filter(([name]) => !isWithin(name, pointer)));
}

/** Takes an item out of a list; those behind it move up. */
export function withoutItem(draft: Draft, list: string, index: number, count: number): Draft {
  const moved: Draft = {};
  for (const [pointer, entry] of Object.entries(draft)) {
    const at = itemIndex(pointer, list);
    if (at === null || at.index < index) moved[pointer] = entry;
    else if (at.index > index) moved[child(list, at.index - 1) + at.rest] = entry;
  }
  moved[list] = { ...moved[list], count: count - 1 };
  return moved;
}

function itemIndex(pointer: string, list: string): { index: number; rest: string } | null {
  if (!pointer.startsWith(`${list}/`)) return null;
  const match = /^(\d+)(\/.*)?$/s.exec(pointer.slice(list.length + 1));
  return match ? { index: Number(match[1]), rest: match[2] ?? '' } : null;
}

/** Reads a draft that the tab remembers; what is not one is no draft. */
export function parseDraft(text: string | null): Draft | null {
  if (text === null) return null;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Draft) : null;
  } catch {
    return null;
  }
}
