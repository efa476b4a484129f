// The text of a new agent.
import { NAME } from './names';
import { writeScalar } from './yaml-scalars';

/** The wire forms of language models: as in schemas/agent.schema.json. */
export const PROVIDERS = ['openai', 'openai-responses', 'anthropic', 'gemini'] as const;
export type Provider = (typeof PROVIDERS)[number];

export interface NewAgent {
  name: string;
  instructions: string;
  provider: Provider;
  model: string;
  /** A connection, or a base URL; the provider's public address where that is empty. */
  target: { connection: string } | { url: string };
  /** An auth connector; that of the connection, or none, where it is empty. */
  auth: string;
}

type Fault = 'name' | 'instructions' | 'model' | 'target';

export function agentFileOf(name: string): string {
  return `agents/${name}.yaml`;
}

/** Why the answers make no agent yet, by field. */
export function agentFaultsOf(
  { name, instructions, model, target }: NewAgent,
  taken: readonly string[],
): Partial<Record<Fault, string>> {
  const faults: Partial<Record<Fault, string>> = {};
  if (!NAME.test(name)) faults.name = 'Use up to 64 letters, digits, _ or -.';
  else if (taken.includes(name)) faults.name = 'There is an agent of this name.';
  if (instructions.trim() === '') faults.instructions = 'Required: the model follows them in every conversation.';
  if (model === '') faults.model = 'Required: the model’s name at the provider.';
  if ('url' in target && target.url !== '' && !/^https?:\/\/[^\s/]+/.test(target.url))
    faults.target = 'A URL such as http://localhost:11434/v1, or nothing.';
  return faults;
}

/** A text as the lines of a literal block, which begins with no space. */
function literal(text: string): string {
  const lines = text.trim().split(/\r\n|\r|\n/);
  return lines.map((line) => (line.trim() === '' ? '\n' : `  ${line.trimEnd()}\n`)).join('');
}

export function newAgentText({ name, instructions, provider, model, target, auth }: NewAgent): string {
  const at = 'url' in target ? ['base_url', target.url] : ['connection', target.connection];
  const keys = [['provider', provider], at, ['auth', auth], ['model', model]];
  const written = keys.filter(([, value]) => value !== '').map(([key, value = '']) => `  ${key}: ${writeScalar(value)}\n`);
  return `name: ${writeScalar(name)}\ninstructions: |\n${literal(instructions)}model:\n${written.join('')}`;
}
