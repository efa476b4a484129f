// Which values of a document a tree shows, in which order, and where a text is found in it.
import { type Container, type Node, childAt, childCount, isContainer, nameOf, pause } from '../json';

/** How many rows a tree opens by itself. */
const FIRST_ROWS = 200;

/** Up to so many rows are seen without a search. */
const FEW_ROWS = 10;

/** The containers that are open at first: level by level, as long as the rows fit. */
export function firstOpen(root: Node): Set<Node> {
  const open = new Set<Node>();
  let rows = 1;
  let level: Node[] = [root];
  while (level.length > 0) {
    const next: Node[] = [];
    for (const node of level) {
      if (!isContainer(node) || childCount(node) === 0) continue;
      // The root is open however much is in it.
      if (node !== root && rows + childCount(node) > FIRST_ROWS) return open;
      open.add(node);
      rows += childCount(node);
      if (rows > FIRST_ROWS) return open;
      for (let at = 0; at < childCount(node); at += 1) {
        const child = childAt(node, at);
        if (child !== undefined) next.push(child);
      }
    }
    level = next;
  }
  return open;
}

/** Whether a document has more rows than one sees at a glance. */
export function isLarge(root: Node): boolean {
  let rows = 0;
  const todo: Node[] = [root];
  for (let node = todo.pop(); node !== undefined && rows <= FEW_ROWS; node = todo.pop()) {
    rows += 1;
    if (!isContainer(node)) continue;
    for (let at = 0; at < Math.min(childCount(node), FEW_ROWS + 1); at += 1) {
      const child = childAt(node, at);
      if (child !== undefined) todo.push(child);
    }
  }
  return rows > FEW_ROWS;
}

/** The values that are shown, from top to bottom. `only` leaves out all others. */
export function shownRows(root: Node, open: ReadonlySet<Node>, only: ReadonlySet<Node> | null = null): Node[] {
  const rows: Node[] = [root];
  const todo: { node: Container; next: number }[] = [];
  const enter = (node: Node): void => {
    if (isContainer(node) && open.has(node)) todo.push({ node, next: 0 });
  };
  enter(root);
  for (let top = todo[todo.length - 1]; top !== undefined; top = todo[todo.length - 1]) {
    const child = childAt(top.node, top.next);
    if (child === undefined) {
      todo.pop();
      continue;
    }
    top.next += 1;
    if (only !== null && !only.has(child)) continue;
    rows.push(child);
    enter(child);
  }
  return rows;
}

/** The value that follows in the order of the document. */
function following(node: Node): Node | null {
  if (isContainer(node)) {
    const first = childAt(node, 0);
    if (first !== undefined) return first;
  }
  for (let at: Node = node; at.parent !== null; at = at.parent) {
    const sibling = childAt(at.parent, at.index + 1);
    if (sibling !== undefined) return sibling;
  }
  return null;
}

export function depthOf(node: Node): number {
  let depth = 0;
  for (let at = node.parent; at !== null; at = at.parent) depth += 1;
  return depth;
}

/** Opens what is around a value. */
export function openAround(node: Node, open: Set<Node>): void {
  for (let at: Node | null = node.parent; at !== null && !open.has(at); at = at.parent) open.add(at);
}

/** A value and all that is around it, for each of them. */
export function withAround(found: readonly Node[]): Set<Node> {
  const all = new Set<Node>();
  for (const node of found) {
    for (let at: Node | null = node; at !== null && !all.has(at); at = at.parent) all.add(at);
  }
  return all;
}

/** All containers in a value, itself too. */
export function containersIn(root: Node): Container[] {
  const found: Container[] = [];
  const todo: Node[] = [root];
  for (let node = todo.pop(); node !== undefined; node = todo.pop()) {
    if (!isContainer(node)) continue;
    found.push(node);
    for (let at = 0; at < childCount(node); at += 1) {
      const child = childAt(node, at);
      if (child !== undefined && isContainer(child)) todo.push(child);
    }
  }
  return found;
}

function contains(node: Node, lower: string): boolean {
  if (nameOf(node)?.toLowerCase().includes(lower)) return true;
  switch (node.kind) {
    case 'object':
    case 'array':
      return false;
    case 'string':
      return node.value.toLowerCase().includes(lower);
    case 'number':
      return node.raw.toLowerCase().includes(lower);
    default:
      return node.kind.includes(lower);
  }
}

/** The values whose name or content has the text in it, in slices of about 30 ms; null where it was stopped. */
export async function find(root: Node, text: string, stopped: () => boolean): Promise<Node[] | null> {
  const lower = text.toLowerCase();
  const found: Node[] = [];
  if (lower === '') return found;
  let since = performance.now();
  let count = 0;
  for (let node: Node | null = root; node !== null; node = following(node)) {
    if (contains(node, lower)) found.push(node);
    count += 1;
    if (count % 256 === 0 && performance.now() - since > 30) {
      await pause();
      if (stopped()) return null;
      since = performance.now();
    }
  }
  return stopped() ? null : found;
}

const shadowed = new WeakMap<Container, ReadonlySet<Node>>();

/** Whether a later member has the same name, so that this one counts nowhere. */
export function isShadowed(node: Node): boolean {
  const parent = node.parent;
  if (parent === null || parent.kind !== 'object') return false;
  let known = shadowed.get(parent);
  if (known === undefined) {
    const last = new Map<string, Node>();
    const lost = new Set<Node>();
    for (const { name, value } of parent.members) {
      const earlier = last.get(name);
      if (earlier !== undefined) lost.add(earlier);
      last.set(name, value);
    }
    known = lost;
    shadowed.set(parent, known);
  }
  return known.has(node);
}
