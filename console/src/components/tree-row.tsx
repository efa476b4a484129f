// One value of a document, on one line.
import { type Node, childCount, cut, isContainer, nameOf, visibleJson } from '../json';
import { isShadowed } from './tree-model';

/** Longer texts are cut on their row. */
export const LONG_TEXT = 200;
const LONG_NAME = 80;
/** Deeper rows are not indented further; their level is told by a number. */
const MOST_INDENT = 24;
const INDENT = 14;

interface TreeRowProps {
  node: Node;
  id: string;
  depth: number;
  open: boolean;
  active: boolean;
  found: boolean;
  masked: boolean;
  onRow: (node: Node) => void;
  onToggle: (node: Node) => void;
  onMenu: (node: Node, at: { x: number; y: number }) => void;
  onWhole: (node: Node) => void;
}

function sizeText(length: number): string {
  return length < 1_000_000
    ? `${Math.round(length / 1000)},000 characters`
    : `${(length / 1e6).toFixed(1)} million characters`;
}

function Value({ node, onWhole }: { node: Node; onWhole: (node: Node) => void }) {
  switch (node.kind) {
    case 'object':
    case 'array': {
      const count = childCount(node);
      const [begin, end] = node.kind === 'object' ? '{}' : '[]';
      const what = node.kind === 'object' ? 'member' : 'item';
      return (
        <span class="tree-container">
          {begin}
          {count > 0 && <span class="tree-count">{` ${count} ${what}${count === 1 ? '' : 's'} `}</span>}
          {end}
        </span>
      );
    }
    case 'string': {
      const long = node.value.length > LONG_TEXT;
      return (
        <>
          <span class="tree-string" dir="ltr">{`"${visibleJson(cut(node.value, LONG_TEXT))}${long ? '…' : '"'}`}</span>
          {long && (
            <button type="button" class="tree-more" tabIndex={-1} onClick={() => onWhole(node)} data-testid="show-more">
              Show more
              {node.value.length >= 2000 && ` (${sizeText(node.value.length)})`}
            </button>
          )}
        </>
      );
    }
    case 'number': {
      const long = node.raw.length > LONG_TEXT;
      return <span class="tree-number">{long ? `${node.raw.slice(0, LONG_TEXT)}…` : node.raw}</span>;
    }
    default:
      return <span class="tree-word">{node.kind}</span>;
  }
}

export function TreeRow({
  node,
  id,
  depth,
  open,
  active,
  found,
  masked,
  onRow,
  onToggle,
  onMenu,
  onWhole,
}: TreeRowProps) {
  const name = nameOf(node);
  const opens = isContainer(node) && childCount(node) > 0;
  const shadowed = isShadowed(node);
  const indent = Math.min(depth, MOST_INDENT) * INDENT;
  return (
    <div
      id={id}
      role="treeitem"
      class={`tree-row${active ? ' tree-row-active' : ''}${found ? ' tree-row-found' : ''}`}
      aria-level={depth + 1}
      aria-setsize={node.parent === null ? 1 : childCount(node.parent)}
      aria-posinset={node.index + 1}
      aria-expanded={opens ? open : undefined}
      aria-selected={active}
      style={{ paddingLeft: `${indent + 4}px` }}
      data-testid="tree-row"
      onClick={(event) => {
        onRow(node);
        if (event.target instanceof Element && event.target.closest('button') !== null) return;
        // Who selects text does not ask for more.
        if (getSelection()?.isCollapsed === false) return;
        if (opens) onToggle(node);
        else onMenu(node, { x: event.clientX, y: event.clientY });
      }}
      onContextMenu={(event) => {
        event.preventDefault();
        onRow(node);
        onMenu(node, { x: event.clientX, y: event.clientY });
      }}
    >
      <span class="tree-twist" aria-hidden="true">
        {opens ? (open ? '▾' : '▸') : ''}
      </span>
      {depth > MOST_INDENT && <span class="tree-level">{depth + 1}</span>}
      {name !== null && (
        <span class="tree-name" dir="ltr">
          {name === '' ? '""' : `${visibleJson(cut(name, LONG_NAME))}${name.length > LONG_NAME ? '…' : ''}`}
        </span>
      )}
      {name === null && node.parent !== null && <span class="tree-index">{node.index}</span>}
      {node.parent !== null && <span class="tree-colon">: </span>}
      {masked && <span class="tree-mark tree-mark-masked">hidden or sensitive</span>}
      {shadowed && <span class="tree-mark">not read: the name comes again</span>}
      <Value node={node} onWhole={onWhole} />
      <button
        type="button"
        class="tree-menu-button"
        tabIndex={-1}
        aria-label={`Menu of ${name ?? (node.parent === null ? 'the document' : `item ${node.index}`)}`}
        data-testid="tree-menu-button"
        onClick={(event) => {
          const { left, bottom } = event.currentTarget.getBoundingClientRect();
          onRow(node);
          onMenu(node, { x: left, y: bottom });
        }}
      >
        ⋯
      </button>
    </div>
  );
}
