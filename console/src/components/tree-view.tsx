// The rows of a document that are in sight, and the keyboard on them.
import { useCallback, useEffect, useId, useMemo, useRef, useState } from 'preact/hooks';
import { type Node, childAt, childCount, isContainer, nameOf } from '../json';
import { Menu, type MenuItem } from './menu';
import { containersIn, depthOf, shownRows } from './tree-model';
import { TreeRow } from './tree-row';
import { useRowWindow } from './window';

const ROW = 24;

export interface TreeViewProps {
  root: Node;
  label: string;
  open: ReadonlySet<Node>;
  setOpen: (open: Set<Node>) => void;
  /** The values that a search has found. */
  found: ReadonlySet<Node>;
  /** If given, only these are shown. */
  only: ReadonlySet<Node> | null;
  /** The value to go to; another `turn` goes there again. */
  goal: { node: Node; turn: number } | null;
  masked: ReadonlySet<Node>;
  menuOf: (node: Node) => MenuItem[];
  onWhole: (node: Node) => void;
}

export function TreeView({ root, label, open, setOpen, found, only, goal, masked, menuOf, onWhole }: TreeViewProps) {
  const box = useRef<HTMLDivElement>(null);
  const id = useId();
  const [active, setActive] = useState<Node>(root);
  const [menu, setMenu] = useState<{ node: Node; at: { x: number; y: number } } | null>(null);
  const typed = useRef({ text: '', at: 0 });

  const rows = useMemo(() => shownRows(root, open, only), [root, open, only]);
  const view = useRowWindow(box, rows.length, ROW);
  const shownActive = rows.includes(active) ? active : root;

  const go = useCallback(
    (node: Node | undefined): void => {
      if (node === undefined) return;
      setActive(node);
      view.reveal(rows.indexOf(node));
    },
    [rows, view.reveal],
  );

  const { reveal } = view;
  useEffect(() => {
    if (goal === null) return;
    setActive(goal.node);
    const row = rows.indexOf(goal.node);
    if (row >= 0) reveal(row);
    // The rows may come later than the goal, when what is around it has been opened.
  }, [goal, rows]);

  const toggle = useCallback(
    (node: Node): void => {
      const next = new Set(open);
      if (!next.delete(node)) next.add(node);
      setOpen(next);
    },
    [open, setOpen],
  );

  const openMenu = useCallback((node: Node, at: { x: number; y: number }) => setMenu({ node, at }), []);

  const closeMenu = useCallback((back: boolean) => {
    setMenu(null);
    if (back) box.current?.focus({ preventScroll: true });
  }, []);

  const typeAhead = (letter: string): void => {
    const now = performance.now();
    typed.current = { text: now - typed.current.at < 700 ? typed.current.text + letter : letter, at: now };
    const wanted = typed.current.text.toLowerCase();
    const from = rows.indexOf(shownActive) + (wanted.length === 1 ? 1 : 0);
    for (let step = 0; step < rows.length; step += 1) {
      const node = rows[(from + step) % rows.length];
      if (node !== undefined && nameOf(node)?.toLowerCase().startsWith(wanted)) return go(node);
    }
  };

  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.target !== box.current) return;
    const row = rows.indexOf(shownActive);
    const opens = isContainer(shownActive) && childCount(shownActive) > 0;
    const isOpen = opens && open.has(shownActive);
    const modified = event.ctrlKey || event.metaKey || event.altKey;
    if (modified) return;
    switch (event.key) {
      case 'ArrowDown':
        go(rows[row + 1]);
        break;
      case 'ArrowUp':
        go(rows[row - 1]);
        break;
      case 'PageDown':
        go(rows[Math.min(rows.length - 1, row + view.page)]);
        break;
      case 'PageUp':
        go(rows[Math.max(0, row - view.page)]);
        break;
      case 'Home':
        go(rows[0]);
        break;
      case 'End':
        go(rows[rows.length - 1]);
        break;
      case 'ArrowRight':
        if (opens && !isOpen) toggle(shownActive);
        else if (isOpen) go(rows[row + 1]);
        break;
      case 'ArrowLeft':
        if (isOpen) toggle(shownActive);
        else go(shownActive.parent ?? undefined);
        break;
      case ' ':
        if (opens) toggle(shownActive);
        break;
      case '*': {
        // Opens all siblings, as trees do.
        const next = new Set(open);
        const parent = shownActive.parent;
        for (let at = 0; parent !== null && at < childCount(parent); at += 1) {
          const sibling = childAt(parent, at);
          if (sibling !== undefined && isContainer(sibling)) next.add(sibling);
        }
        setOpen(next);
        break;
      }
      case 'Enter':
      case 'ContextMenu':
        openActiveMenu();
        break;
      case 'F10':
        if (!event.shiftKey) return;
        openActiveMenu();
        break;
      default:
        if (event.key.length !== 1) return;
        typeAhead(event.key);
    }
    event.preventDefault();
  };

  const openActiveMenu = (): void => {
    const element = document.getElementById(`${id}-active`);
    const { left, bottom } = (element ?? box.current)?.getBoundingClientRect() ?? { left: 0, bottom: 0 };
    openMenu(shownActive, { x: left + 24, y: bottom });
  };

  const items = useMemo((): MenuItem[] => {
    if (menu === null) return [];
    const { node } = menu;
    const all = menuOf(node);
    if (isContainer(node) && childCount(node) > 0) {
      all.push(
        {
          label: 'Open all in it',
          run: () => {
            const next = new Set(open);
            for (const container of containersIn(node)) next.add(container);
            setOpen(next);
          },
        },
        {
          label: 'Close all in it',
          run: () => {
            const next = new Set(open);
            for (const container of containersIn(node)) if (container !== node) next.delete(container);
            setOpen(next);
          },
        },
      );
    }
    return all;
  }, [menu, menuOf, open]);

  const shown = [];
  for (let row = view.first; row < view.end; row += 1) {
    const node = rows[row];
    if (node === undefined) continue;
    const isActive = node === shownActive;
    shown.push(
      <TreeRow
        key={row}
        node={node}
        id={isActive ? `${id}-active` : `${id}-${row}`}
        depth={depthOf(node)}
        open={open.has(node)}
        active={isActive}
        found={found.has(node)}
        masked={masked.has(node)}
        onRow={setActive}
        onToggle={toggle}
        onMenu={openMenu}
        onWhole={onWhole}
      />,
    );
  }
  const activeRow = rows.indexOf(shownActive);
  const inSight = activeRow >= view.first && activeRow < view.end;
  return (
    <>
      <div
        ref={box}
        class="tree"
        role="tree"
        tabIndex={0}
        aria-label={label}
        aria-activedescendant={inSight ? `${id}-active` : undefined}
        onKeyDown={onKeyDown}
        data-testid="tree"
      >
        <div class="rows-height" role="none" style={{ height: `${view.height}px` }}>
          <div class="rows" role="none" style={{ transform: `translateY(${view.top}px)` }}>
            {shown}
          </div>
        </div>
      </div>
      {menu !== null && <Menu label="What to do with the value" items={items} at={menu.at} onClose={closeMenu} />}
    </>
  );
}
