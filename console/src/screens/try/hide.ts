// Keeps what is sensitive among the arguments out of what is copied.
import { childAt, childCount, isContainer, type Node, tryParse } from '../../json/index';

/** The texts that the gateway hides among the arguments, as they were typed. */
export function hiddenTexts(typed: Node, masked: Node): string[] {
  if (masked.kind === 'string' && masked.value === '***') return scalars(typed);
  if (!isContainer(typed) || typed.kind !== masked.kind) return [];
  const found: string[] = [];
  for (let index = 0; index < childCount(typed); index += 1) {
    const [one, other] = [childAt(typed, index), childAt(masked, index)];
    if (one && other) found.push(...hiddenTexts(one, other));
  }
  return found;
}

function scalars(node: Node): string[] {
  if (node.kind === 'string') return [node.value];
  if (node.kind === 'number') return [node.raw];
  if (!isContainer(node)) return [];
  return Array.from({ length: childCount(node) }, (_, index) => childAt(node, index)).flatMap((inner) =>
    inner ? scalars(inner) : [],
  );
}

const SHORTEST = 3;

/** Hides in all of the issue what the gateway hides among the arguments: an upstream may have repeated it. */
export function withoutHidden(text: string, typed: string, masked: string): string {
  const [one, other] = [tryParse(typed), tryParse(masked)];
  if (!one || !other) return text;
  const hidden = hiddenTexts(one, other).filter((value) => value.length >= SHORTEST);
  return hidden
    .sort((a, b) => b.length - a.length)
    .reduce((rest, value) => {
      const inJson = JSON.stringify(value).slice(1, -1);
      return rest.replaceAll(value, '***').replaceAll(inJson, '***');
    }, text);
}
