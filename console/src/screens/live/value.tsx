// A value of the feed, with every digit, as text.
import { isContainer, memberOf as memberOfNode, pretty, print, tryParse, type Node } from '../../json';
import { Visible } from '../../components/text-view';
import { JsonTree } from '../../components/tree';
import type { FeedEvent } from './feed';

const longestInline = 80;

export function memberOf(node: Node | undefined, name: string): Node | undefined {
  return node && memberOfNode(node, name);
}

/** The details of an event, read without loss. Read when they are shown: most events never are. */
export function dataOf(event: FeedEvent): Node | undefined {
  return memberOf(tryParse(event.text) ?? undefined, 'data');
}

interface ValueViewProps {
  node: Node | undefined;
  /** What the value is, for those who do not see where it stands. */
  label?: string;
}

/** Short values stand in the line, longer ones in a block. Events hold no more than a few kilobytes. */
export function ValueView({ node, label }: ValueViewProps) {
  if (!node) return null;
  const line = print(node);
  if (line.length <= longestInline) {
    return (
      <code class="value">
        <Visible text={line} />
      </code>
    );
  }
  return (
    <pre class="code" aria-label={label}>
      <Visible text={isContainer(node) ? pretty(node) : line} />
    </pre>
  );
}

/** A body: JSON as a tree, a text as it came. */
export function BodyView({ node, label }: { node: Node; label: string }) {
  if (node.kind === 'string') {
    return (
      <pre class="code" aria-label={label}>
        <Visible text={node.value} />
      </pre>
    );
  }
  return isContainer(node) ? <JsonTree text={pretty(node)} label={label} /> : <ValueView node={node} label={label} />;
}
