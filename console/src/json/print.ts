// Prints JSON with every digit as it was written. Without recursion, as it is read.

import { type Container, type Node, childAt, childCount } from './node';

/** A text as JSON. Lone surrogates come out as escapes. */
export function quote(text: string): string {
  return JSON.stringify(text);
}

function scalar(node: Node): string {
  switch (node.kind) {
    case 'string':
      return quote(node.value);
    case 'number':
      return node.raw;
    default:
      return node.kind;
  }
}

interface Frame {
  node: Container;
  next: number;
}

/** Prints a value on one line, or with `indent` spaces for each level. */
export function print(root: Node, indent = 0): string {
  const out: string[] = [];
  const frames: Frame[] = [];
  const line = (): string => (indent === 0 ? '' : `\n${' '.repeat(indent * frames.length)}`);
  const open = (node: Node): void => {
    if (node.kind !== 'object' && node.kind !== 'array') {
      out.push(scalar(node));
    } else if (childCount(node) === 0) {
      out.push(node.kind === 'object' ? '{}' : '[]');
    } else {
      out.push(node.kind === 'object' ? '{' : '[');
      frames.push({ node, next: 0 });
    }
  };
  open(root);
  for (;;) {
    const frame = frames[frames.length - 1];
    if (frame === undefined) return out.join('');
    const { node, next } = frame;
    const child = childAt(node, next);
    if (child === undefined) {
      frames.pop();
      out.push(line(), node.kind === 'object' ? '}' : ']');
      continue;
    }
    if (next > 0) out.push(',');
    out.push(line());
    if (node.kind === 'object') out.push(quote(node.members[next]?.name ?? ''), indent === 0 ? ':' : ': ');
    frame.next += 1;
    open(child);
  }
}

/** Prints a value as one reads it. Deep nesting would be mostly spaces, so it is printed on one line. */
export function pretty(root: Node): string {
  return depthOf(root) > 200 ? print(root) : print(root, 2);
}

function depthOf(root: Node): number {
  let deepest = 0;
  const todo: [Node, number][] = [[root, 0]];
  for (let entry = todo.pop(); entry !== undefined; entry = todo.pop()) {
    const [node, depth] = entry;
    deepest = Math.max(deepest, depth);
    if (node.kind === 'object') for (const member of node.members) todo.push([member.value, depth + 1]);
    else if (node.kind === 'array') for (const item of node.items) todo.push([item, depth + 1]);
  }
  return deepest;
}

/** What "Copy value" gives: the content of a text, JSON of anything else. */
export function copyText(node: Node): string {
  return node.kind === 'string' ? node.value : pretty(node);
}
