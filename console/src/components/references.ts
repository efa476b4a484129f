// The templates of a text and the references in them.

export const TEMPLATE = /\{\{.*?\}\}/g;

/** `.parameters.email`, or `index .variables "odd name" 0` as a whole. */
export const REFERENCE =
  /\bindex\s+\$?\.(?:parameters|variables|static_variables)(?:\.\w+)*(?:\s+(?:"(?:[^"\\]|\\.)*"|\d+))+|\$?\.(?:parameters|variables|static_variables)\b(?:\.\w+)*/g;

export interface FoundReference {
  reference: string;
  /** Where it stands in the line. */
  from: number;
  to: number;
}

function referencesOfLine(line: string): FoundReference[] {
  const found: FoundReference[] = [];
  for (const template of line.matchAll(TEMPLATE)) {
    if (template[0].startsWith('{{/*') || template[0].startsWith('{{- /*')) continue;
    for (const reference of template[0].matchAll(REFERENCE)) {
      const from = template.index + reference.index;
      found.push({ reference: reference[0], from, to: from + reference[0].length });
    }
  }
  return found;
}

/** The reference at a place of a line. */
export function referenceAt(line: string, at: number): FoundReference | null {
  return referencesOfLine(line).find(({ from, to }) => at >= from && at <= to) ?? null;
}

export interface PlacedReference {
  reference: string;
  line: number;
  column: number;
}

/** All references of a text, in its order. */
export function referencesOf(text: string): PlacedReference[] {
  return text
    .split('\n')
    .flatMap((line, at) =>
      referencesOfLine(line).map(({ reference, from }) => ({ reference, line: at + 1, column: from + 1 })),
    );
}

export type Root = 'parameters' | 'variables' | 'static_variables';

/** What a reference names: `.variables.order.id` and `index .variables.order "id"` are the same. */
export function parseReference(reference: string): { root: Root; path: string[] } | null {
  const match = /^(?:index\s+)?\$?\.(parameters|variables|static_variables)\b((?:\.\w+)*)(.*)$/s.exec(reference);
  if (match === null) return null;
  const [, root, fields = '', rest = ''] = match;
  const path = fields.split('.').slice(1);
  for (const [key] of rest.matchAll(/"(?:[^"\\]|\\.)*"|\d+/g)) {
    if (!key.startsWith('"')) path.push(key);
    else {
      try {
        path.push(JSON.parse(key) as string);
      } catch {
        return null;
      }
    }
  }
  return { root: root as Root, path };
}
