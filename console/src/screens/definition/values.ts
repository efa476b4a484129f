// What the references of templates stand for: in a conversation, in the tab, and in the environment.
import { type Node, type Step, memberOf, parse, pretty, print, tryParse } from '../../json';
import { parseReference } from '../../components/references';

/** The texts that values come from, each JSON; null where there is none. */
export interface ValueSources {
  /** The conversation as the gateway shows it. */
  conversation: string | null;
  conversationId: string;
  environment: string;
  /** The arguments of a call. */
  arguments: string | null;
  /** Static variables of the environment; null where they are not known. */
  statics: Readonly<Record<string, unknown>> | null;
  /** The parameters that the action binds. */
  bound: ReadonlySet<string>;
}

export interface ReferenceValue {
  /** Where the value comes from. */
  from: string;
  /** The value as JSON; null where there is none. */
  json: string | null;
  /** Why there is none, or that it is masked. */
  note: string | null;
}

function descend(node: Node | undefined, path: readonly Step[]): Node | undefined {
  let at = node;
  for (const step of path) {
    if (at === undefined) return undefined;
    at = at.kind === 'array' ? at.items[Number(step)] : memberOf(at, String(step));
  }
  return at;
}

function shown(from: string, node: Node | undefined, absent: string): ReferenceValue {
  return node === undefined ? { from, json: null, note: absent } : { from, json: pretty(node), note: null };
}

function staticValue(path: string[], sources: ValueSources): ReferenceValue {
  const from = `static variable of ${sources.environment}`;
  if (sources.statics === null) return { from, json: null, note: 'not known here' };
  return shown(from, descend(parse(JSON.stringify(sources.statics)), path), 'not set in this environment');
}

function argument(path: string[], sources: ValueSources): ReferenceValue {
  const [name] = path;
  if (name !== undefined && sources.bound.has(name)) return { from: 'bound by the action', json: null, note: null };
  if (sources.arguments === null) return { from: 'argument', json: null, note: 'nothing is typed in Try' };
  return shown(
    'argument typed in Try',
    descend(tryParse(sources.arguments) ?? undefined, path),
    'left out in Try',
  );
}

function conversationValue(path: string[], sources: ValueSources): ReferenceValue {
  const from = `conversation ${sources.conversationId}`;
  const root = sources.conversation === null ? null : tryParse(sources.conversation);
  if (path[0] === 'conversation') {
    const always = { id: sources.conversationId, environment: sources.environment }[path[1] ?? ''];
    if (always !== undefined && path.length === 2) return { from, json: JSON.stringify(always), note: null };
    if (path[1] === 'started_at')
      return shown(from, root === null ? undefined : memberOf(root, 'started_at'), 'set when it begins');
  }
  if (root === null) return { from, json: null, note: 'there is no such conversation yet' };
  const variables = memberOf(root, 'variables');
  if (variables?.kind !== 'object') return { from, json: null, note: 'not set' };
  const wanted = path.join('.');
  const inside: string[] = [];
  for (const { name, value } of variables.members) {
    const content = memberOf(value, 'value');
    const masked = memberOf(value, 'sensitive')?.kind === 'true';
    if (path.length === 0 || name.startsWith(`${wanted}.`)) {
      inside.push(
        `  ${JSON.stringify(path.length === 0 ? name : name.slice(wanted.length + 1))}: ${content === undefined ? 'null' : print(content)}`,
      );
    }
    const parts = name.split('.');
    if (parts.length > path.length || parts.some((part, at) => part !== path[at])) continue;
    const found = descend(content, masked ? [] : path.slice(parts.length));
    return { ...shown(from, found, 'not set'), ...(masked ? { note: 'sensitive, so it is masked' } : {}) };
  }
  if (inside.length > 0) return { from, json: `{\n${inside.join(',\n')}\n}`, note: null };
  return { from, json: null, note: 'not set' };
}

export function valueOf(reference: string, sources: ValueSources): ReferenceValue | null {
  const parsed = parseReference(reference);
  switch (parsed?.root) {
    case undefined:
      return null;
    case 'parameters':
      return argument(parsed.path, sources);
    case 'static_variables':
      return staticValue(parsed.path, sources);
    case 'variables':
      return conversationValue(parsed.path, sources);
  }
}
