// A JSON document as a tree that loses nothing: members keep their order and their doubles, numbers keep
// their digits, and every value knows where it stands in the text.

export interface Member {
  readonly name: string;
  readonly value: Node;
}

interface Place {
  /** The container, or null at the root. */
  parent: ObjectNode | ArrayNode | null;
  /** The position among the members or items of the container. */
  index: number;
  /** Where the value begins in the text. */
  start: number;
  /** Where it ends in the text. */
  end: number;
}

export interface ObjectNode extends Place {
  readonly kind: 'object';
  readonly members: Member[];
}

export interface ArrayNode extends Place {
  readonly kind: 'array';
  readonly items: Node[];
}

export interface StringNode extends Place {
  readonly kind: 'string';
  readonly value: string;
}

export interface NumberNode extends Place {
  readonly kind: 'number';
  /** The number as it is written. */
  readonly raw: string;
}

export interface WordNode extends Place {
  readonly kind: 'true' | 'false' | 'null';
}

export type Container = ObjectNode | ArrayNode;
export type Node = Container | StringNode | NumberNode | WordNode;

export function isContainer(node: Node): node is Container {
  return node.kind === 'object' || node.kind === 'array';
}

export function childCount(node: Node): number {
  if (node.kind === 'object') return node.members.length;
  return node.kind === 'array' ? node.items.length : 0;
}

export function childAt(node: Container, index: number): Node | undefined {
  return node.kind === 'object' ? node.members[index]?.value : node.items[index];
}

/** The name under which a value stands in an object; null in a list and at the root. */
export function nameOf(node: Node): string | null {
  const parent = node.parent;
  return parent !== null && parent.kind === 'object' ? (parent.members[node.index]?.name ?? null) : null;
}

/** The member of this name; of several the last one, as everywhere in Callgate. */
export function memberOf(node: Node, name: string): Node | undefined {
  if (node.kind !== 'object') return undefined;
  for (let at = node.members.length - 1; at >= 0; at -= 1) {
    const member = node.members[at];
    if (member !== undefined && member.name === name) return member.value;
  }
  return undefined;
}

/** A step from a container to a value in it. */
export type Step = string | number;

/** The steps from the root to the value. */
export function stepsTo(node: Node): Step[] {
  const steps: Step[] = [];
  for (let at: Node = node; at.parent !== null; at = at.parent) steps.push(nameOf(at) ?? at.index);
  return steps.reverse();
}

/** The value at a JSON Pointer (RFC 6901). */
export function atPointer(root: Node, pointer: string): Node | undefined {
  if (pointer === '') return root;
  if (!pointer.startsWith('/')) return undefined;
  let at: Node | undefined = root;
  for (const part of pointer.slice(1).split('/')) {
    if (at === undefined) return undefined;
    const name = part.replaceAll('~1', '/').replaceAll('~0', '~');
    if (at.kind === 'array') at = /^(0|[1-9]\d*)$/.test(name) ? at.items[Number(name)] : undefined;
    else at = memberOf(at, name);
  }
  return at;
}
