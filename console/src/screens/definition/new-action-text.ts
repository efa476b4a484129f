// The text of a new action.
import { writeScalar } from './yaml-scalars';

export const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;
export type Method = (typeof METHODS)[number];

/** What an action may be called: as in schemas/action.schema.json. */
export const ACTION_NAME = /^[a-zA-Z0-9_][a-zA-Z0-9_-]{0,63}$/;

export interface NewAction {
  name: string;
  description: string;
  method: Method;
  /** A connection and a path below it, or a whole URL. */
  target: { connection: string; path: string } | { url: string };
}

export function fileOf(name: string): string {
  return `actions/${name}.yaml`;
}

/** Why the answers make no action yet, by field. */
export function faultsOf(
  { name, description, target }: NewAction,
  taken: readonly string[],
): Partial<Record<'name' | 'description' | 'target', string>> {
  const faults: Partial<Record<'name' | 'description' | 'target', string>> = {};
  if (!ACTION_NAME.test(name)) faults.name = 'Letters, digits, “_” and “-”, 64 at most.';
  else if (taken.includes(name)) faults.name = 'There is an action of this name.';
  if (description.trim() === '') faults.description = 'The model decides by this text.';
  if ('url' in target) {
    if (!/^https?:\/\/[^\s/]+/.test(target.url)) faults.target = 'A URL such as https://api.example.com/orders.';
  } else if (!target.path.startsWith('/')) faults.target = 'A path begins with “/”.';
  return faults;
}

/** A text as the lines of a block scalar, which takes any text but for leading spaces. */
function folded(text: string): string {
  const words = text.split(/\s+/).filter((word) => word !== '');
  const lines: string[] = [];
  for (const word of words) {
    const last = lines[lines.length - 1];
    if (last === undefined || last.length + word.length > 98) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines.map((line) => `  ${line}\n`).join('');
}

/** A text that stands alone behind a key: plain where that is clear. */
function scalar(text: string): string {
  return /^(?:\/|https?:\/\/)[A-Za-z0-9_./~%=&?+-]*$/.test(text) ? text : writeScalar(text);
}

export function newActionText({ name, description, method, target }: NewAction): string {
  const place = 'url' in target ? `url: ${scalar(target.url)}\n` : `connection: ${writeScalar(target.connection)}\n`;
  const path = 'url' in target ? '' : `path: ${scalar(target.path)}\n`;
  const hint = method === 'GET' || method === 'DELETE' ? 'they travel in the query' : 'they travel as a JSON object';
  return (
    `name: ${writeScalar(name)}\ndescription: >-\n${folded(description)}${place}method: ${method}\n${path}` +
    `# What the model is to say; ${hint}.\n` +
    'parameters:\n  type: object\n  properties:\n' +
    '    id: {type: string, description: "What it is, with an example."}\n' +
    '  required: [id]\n  additionalProperties: false\n'
  );
}
