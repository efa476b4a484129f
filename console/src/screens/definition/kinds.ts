// The kinds of definition files, and what the name of a file says.
import type { DefinitionKind } from '../../types';

interface Kind {
  /** The heading of its files. */
  label: string;
  /** Where its files are; null where it is one file, `variables.toml`. */
  folder: string | null;
}

const KINDS: Record<DefinitionKind, Kind> = {
  action: { label: 'Actions', folder: 'actions' },
  agent: { label: 'Agents', folder: 'agents' },
  connection: { label: 'Connections', folder: 'connections' },
  auth: { label: 'Auth connectors', folder: 'auth' },
  variables: { label: 'Variables', folder: null },
};

/** Every kind with its heading, in the order of the list. */
export const HEADINGS = Object.entries(KINDS).map(([kind, { label }]) => [kind as DefinitionKind, label] as const);

/** The kind of a file; null where this screen cannot show it: not settings, and never secrets. */
export function kindOf(file: string): DefinitionKind | null {
  if (file === 'variables.toml') return 'variables';
  const [folder, name] = file.split(/\/(.*)/s);
  if (!name) return null;
  return HEADINGS.find(([kind]) => KINDS[kind].folder === folder)?.[0] ?? null;
}

/** The name of what a file defines, unless its text says another one: that of the file, without folder and ending. */
export function nameOf(file: string): string {
  return file.replace(/^.*\//, '').replace(/\.[^.]*$/, '');
}
