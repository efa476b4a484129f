// How values of what the model gets and of what the upstream said belong together.
import { useMemo } from 'preact/hooks';
import type { UpstreamResponse } from '../../api';
import { atPointer, childAt, childCount, isContainer, memberOf, type Node, print, stepsTo, tryParse } from '../../json/index';

/** Longer answers are not read again for the menu of a value. */
const LONGEST = 1_000_000;
const MOST_LOOKED_AT = 20_000;

/** The value at the same place of another document. */
export function samePlace(node: Node, root: Node | null): Node | null {
  let at: Node | undefined = root ?? undefined;
  for (const step of stepsTo(node)) {
    if (at === undefined) return null;
    if (typeof step === 'string') at = memberOf(at, step);
    else at = at.kind === 'array' ? at.items[step] : undefined;
  }
  return at ?? null;
}

/** Finds the value of the upstream's answer at the place of one that the model gets. It reads the answer when it is asked. */
export function useUpstreamPlace(response: UpstreamResponse | null): ((node: Node) => Node | null) | undefined {
  return useMemo(() => {
    if (!response?.json || response.body.length > LONGEST) return undefined;
    let root: Node | null | undefined;
    return (node: Node) => {
      if (root === undefined) root = tryParse(response.body);
      return samePlace(node, root);
    };
  }, [response?.body, response?.json]);
}

/** Whether the model sees the value today: it stands in what the model gets, wherever the answer was rearranged to. */
export function seenByModel(value: Node, result: Node | null, masked: readonly string[]): boolean {
  const body = result ? memberOf(result, 'body') : undefined;
  if (!body || isMasked(value, masked)) return false;
  if (body.kind === 'string') return value.kind === 'string' && body.value.includes(value.value);
  const given = samePlace(value, body);
  if (given !== null && sameValue(given, value)) return true;
  return (value.kind === 'string' || value.kind === 'number') && holds(body, value);
}

/** Whether the gateway hides the value, or what is around it, today. */
export function isMasked(value: Node, masked: readonly string[]): boolean {
  let root = value;
  while (root.parent !== null) root = root.parent;
  const hidden = new Set(masked.map((pointer) => atPointer(root, pointer)));
  for (let at: Node | null = value; at !== null; at = at.parent) if (hidden.has(at)) return true;
  return false;
}

function sameValue(one: Node, other: Node): boolean {
  return one.kind === other.kind && (isContainer(one) || print(one) === print(other));
}

/** Whether one of the first values of a document is this one. */
function holds(root: Node, value: Node): boolean {
  const todo: Node[] = [root];
  for (let count = 0; count < MOST_LOOKED_AT; count += 1) {
    const node = todo.pop();
    if (node === undefined) return false;
    if (sameValue(node, value)) return true;
    if (!isContainer(node)) continue;
    for (let at = 0; at < childCount(node); at += 1) {
      const child = childAt(node, at);
      if (child !== undefined) todo.push(child);
    }
  }
  return false;
}
