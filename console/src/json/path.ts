// JSONPath (RFC 9535) of a value, as a person would write it.

import { type Node, type Step, stepsTo } from './node';
import { escapeOfCode, hiddenCharacters } from './visible';

const PLAIN = /^[A-Za-z_][A-Za-z0-9_]*$/;

const SHORT: Readonly<Record<string, string>> = {
  '\b': '\\b',
  '\t': '\\t',
  '\n': '\\n',
  '\f': '\\f',
  '\r': '\\r',
};

function quoted(name: string): string {
  const inner = name
    .replace(/['\\]/g, '\\$&')
    .replace(hiddenCharacters(), (character) => SHORT[character] ?? escapeOfCode(character.codePointAt(0) ?? 0));
  return `['${inner}']`;
}

/** The JSONPath of steps; `lists` writes `[*]` for every index. */
export function pathOfSteps(steps: readonly Step[], lists = false): string {
  let path = '$';
  for (const step of steps) {
    if (typeof step === 'number') path += lists ? '[*]' : `[${step}]`;
    else path += PLAIN.test(step) ? `.${step}` : quoted(step);
  }
  return path;
}

/** The JSONPath of a value: `$.data.orders[0].id`. */
export function pathOf(node: Node): string {
  return pathOfSteps(stepsTo(node));
}

/** The same for every item: `$.data.orders[*].id`; null where no list is on the way. */
export function listPathOf(node: Node): string | null {
  const steps = stepsTo(node);
  return steps.some((step) => typeof step === 'number') ? pathOfSteps(steps, true) : null;
}
