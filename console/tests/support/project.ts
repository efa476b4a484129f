// A project in a folder of its own, whose one connection leads to an upstream of the tests.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { program } from './gateway';

export interface Project {
  readonly folder: string;
  read(file: string): string;
  write(file: string, text: string): void;
  remove(file: string): void;
}

/** What `callgate init` makes, with `upstream` in all environments. */
export function makeProject(upstream: string): Project {
  const parent = mkdtempSync(path.join(os.tmpdir(), 'callgate-console-'));
  const folder = path.join(parent, 'project');
  execFileSync(program, ['init', folder], { stdio: 'pipe' });
  const project: Project = {
    folder,
    read: (file) => readFileSync(path.join(folder, file), 'utf8'),
    write: (file, text) => {
      mkdirSync(path.dirname(path.join(folder, file)), { recursive: true });
      writeFileSync(path.join(folder, file), text);
    },
    remove: (file) => rmSync(path.join(folder, file)),
  };
  const connection = project
    .read('connections/orders.yaml')
    .replace(/^base_url: .*$/m, `base_url: ${upstream}`)
    .replace(/^environments:\n[\s\S]*$/m, '');
  project.write('connections/orders.yaml', connection);
  return project;
}

export function removeProject(project: Project): void {
  rmSync(path.dirname(project.folder), { recursive: true, force: true });
}

/** Makes a key, writes its lines into the settings of the project, and returns it. */
export function addKey(project: Project, name: string, options: { admin?: boolean } = {}): string {
  const made = spawnSync(program, ['keygen', '--name', name], { encoding: 'utf8' });
  const admin = options.admin ? 'admin = true\n' : '';
  project.write('callgate.toml', `${project.read('callgate.toml')}\n${made.stderr}${admin}`);
  return made.stdout.trim();
}

/** An agent whose model is that of the upstream. */
export function agentOf(upstream: string): string {
  return [
    'description: Answers for the shop.',
    'instructions: You answer for the shop.',
    `model: {provider: openai, base_url: '${upstream}/v1', model: tiny}`,
    '',
  ].join('\n');
}

/** An action that fetches what the upstream has under a name. */
export const fetchCase = `name: fetch_case
description: Fetches a prepared answer by its name.
connection: orders
path: /case
timeout_ms: 30000
parameters:
  type: object
  properties:
    name:
      type: string
      description: Which answer.
  required: [name]
  additionalProperties: false
`;

/** An action that changes something. */
export const storeNote = `name: store_note
description: Stores a note.
connection: orders
method: POST
path: /notes
parameters:
  type: object
  properties:
    text: {type: string, description: What to store.}
    count: {type: integer, description: How many.}
    tag: {type: [string, "null"], description: A tag.}
    size: {type: string, enum: [small, large], description: The size.}
    urgent: {type: boolean, description: Whether it hurries.}
  required: [text]
  additionalProperties: false
output_variables:
  - {name: note.id, path: $.id, expose: true}
`;
