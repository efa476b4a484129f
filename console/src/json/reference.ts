// How later calls read a value that an action keeps, and names for such values.

import type { Step } from './node';

/** What a name of an output variable must be. */
export const VARIABLE_NAME = /^[a-z0-9_]+(\.[a-z0-9_]+)*$/;

const FIELD = /^[A-Za-z_][A-Za-z0-9_]*$/;

function goText(text: string): string {
  // Go reads the escapes of JSON but `\/`, which JSON.stringify does not write, and lone surrogates, which no
  // name can hold.
  return JSON.stringify(text);
}

/** The template reference of a variable, or of a value inside it: `{{.variables.order.id}}`,
 * `{{index .variables.orders 0 "odd name"}}`. */
export function templateReference(name: string, inside: readonly Step[] = []): string {
  const steps: Step[] = [...name.split('.'), ...inside];
  let fields = '.variables';
  let at = 0;
  for (; at < steps.length; at += 1) {
    const step = steps[at];
    if (typeof step !== 'string' || !FIELD.test(step)) break;
    fields += `.${step}`;
  }
  if (at === steps.length) return `{{${fields}}}`;
  const rest = steps.slice(at).map((step) => (typeof step === 'number' ? String(step) : goText(step)));
  return `{{index ${fields} ${rest.join(' ')}}}`;
}

/** Names that say nothing of what is in them. */
const WRAPPERS = new Set([
  'data',
  'result',
  'results',
  'response',
  'body',
  'payload',
  'content',
  'items',
  'item',
  'value',
  'values',
  'records',
  'attributes',
]);

function part(name: string): string {
  return name
    .normalize('NFKD')
    .replace(/[\u0300-\u036f]/g, '')
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replace(/([A-Z]+)([A-Z][a-z])/g, '$1_$2')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '_')
    .replace(/^_+|_+$/g, '')
    .slice(0, 60);
}

function singular(name: string): string {
  if (/(ss|us|is)$/.test(name) || name.length < 4) return name;
  if (name.endsWith('ies')) return `${name.slice(0, -3)}y`;
  if (/(xes|ches|shes|sses)$/.test(name)) return name.slice(0, -2);
  return name.endsWith('s') ? name.slice(0, -1) : name;
}

/** Whether two names cannot both be variables: they are the same, or one is the parent of the other. */
export function namesCollide(one: string, other: string): boolean {
  return one === other || one.startsWith(`${other}.`) || other.startsWith(`${one}.`);
}

/** A name for the value that stands at these steps, which collides with none of `taken`. */
export function suggestName(steps: readonly Step[], taken: readonly string[] = []): string {
  const parts: string[] = [];
  steps.forEach((step, at) => {
    if (typeof step === 'number') return;
    const one = part(step);
    if (one === '') return;
    parts.push(typeof steps[at + 1] === 'number' ? singular(one) : one);
  });
  const last = parts.pop() ?? 'value';
  const owner = parts.filter((one) => !WRAPPERS.has(one)).pop();
  const name = owner === undefined ? last : `${owner}.${last}`;
  // What is always there of a conversation cannot be set.
  const free = (one: string): boolean =>
    one !== 'conversation' && !one.startsWith('conversation.') && !taken.some((other) => namesCollide(one, other));
  if (free(name)) return name;
  const flat = name.replaceAll('.', '_');
  for (let count = 1; ; count += 1) {
    for (const one of count === 1 ? [flat] : [`${name}_${count}`, `${flat}_${count}`]) if (free(one)) return one;
  }
}
