// The text of a new action.
import { NAME } from './names';
import { writeScalar } from './yaml-scalars';

export const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;
export type Method = (typeof METHODS)[number];

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
  if (!NAME.test(name)) faults.name = 'Use up to 64 letters, digits, _ or -.';
  else if (taken.includes(name)) faults.name = 'There is an action of this name.';
  if (description.trim() === '') faults.description = 'Required: the model uses this to choose the action.';
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

/** The parameters that a path or a URL holds, each once. */
function parametersIn(text: string): string[] {
  return [...new Set(Array.from(text.matchAll(/\{\{-?\s*\.parameters\.([A-Za-z_]\w*)\s*-?\}\}/g), (match) => match[1] ?? ''))];
}

function hintOf(method: Method, inPath: boolean): string {
  if (inPath) return 'Arguments for the path.';
  return method === 'GET' || method === 'DELETE' ? 'Arguments for the query.' : 'Arguments for the JSON body.';
}

export function newActionText({ name, description, method, target }: NewAction): string {
  const place = 'url' in target ? `url: ${scalar(target.url)}\n` : `connection: ${writeScalar(target.connection)}\n`;
  const path = 'url' in target ? '' : `path: ${scalar(target.path)}\n`;
  const held = parametersIn('url' in target ? target.url : target.path);
  const names = held.length > 0 ? held : ['id'];
  const properties = names.map((one) => `    ${writeScalar(one)}: {type: string, description: "What it is, with an example."}\n`);
  return (
    `name: ${writeScalar(name)}\ndescription: >-\n${folded(description)}${place}method: ${method}\n${path}` +
    `# ${hintOf(method, held.length > 0)}\n` +
    `parameters:\n  type: object\n  properties:\n${properties.join('')}` +
    `  required: [${names.map(writeScalar).join(', ')}]\n  additionalProperties: false\n`
  );
}
