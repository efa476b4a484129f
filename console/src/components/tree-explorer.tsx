// The tree of a document with its search, and what can be done with its values.
import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks';
import {
  type Node,
  atPointer,
  copyText as valueText,
  cut,
  isContainer,
  listPathOf,
  pathOf,
  stepsTo,
  suggestName,
  templateReference,
  visibleJson,
} from '../json';
import { CopyButton, copyText } from './copy';
import { Dialog } from './dialog';
import { download } from './download';
import type { MenuItem } from './menu';
import { TextView } from './text-view';
import { find, firstOpen, isLarge, openAround, withAround } from './tree-model';
import { LONG_TEXT } from './tree-row';
import { TreeSearch } from './tree-search';
import { TreeView } from './tree-view';

const NONE: readonly never[] = [];

/** A value that somebody has chosen to keep. */
export interface Pick {
  /** Its JSONPath. */
  path: string;
  /** The same for every item, where a list is on the way. */
  listPath: string | null;
  /** A name for it that is free. */
  name: string;
  value: Node;
}

/** A variable that the action keeps already. */
export interface KnownOutput {
  name: string;
  path?: string | null;
}

/** The reference by which later calls read the value, and whether an output variable holds it yet. */
function referenceOf(node: Node, outputs: readonly KnownOutput[]): { reference: string; kept: boolean } {
  const names: string[] = [];
  for (let at: Node | null = node; at !== null; at = at.parent) {
    const path = pathOf(at);
    const known = outputs.find((output) => output.path === path);
    if (known !== undefined) {
      const inside = stepsTo(node).slice(stepsTo(at).length);
      return { reference: templateReference(known.name, inside), kept: true };
    }
  }
  for (const output of outputs) names.push(output.name);
  return { reference: templateReference(suggestName(stepsTo(node), names)), kept: false };
}

interface ExplorerProps {
  root: Node;
  label: string;
  masked: readonly string[];
  outputs: readonly KnownOutput[] | undefined;
  onPick?: (pick: Pick) => void;
  placeOf?: (node: Node) => Node | null;
}

/** The tree with its search. */
export function Explorer({ root, label, masked, outputs, onPick, placeOf }: ExplorerProps) {
  const [open, setOpen] = useState<Set<Node>>(() => firstOpen(root));
  const [needle, setNeedle] = useState('');
  const [hits, setHits] = useState<{ for: string; nodes: Node[] } | null>(null);
  const [only, setOnly] = useState(false);
  const [goal, setGoal] = useState<{ node: Node; turn: number } | null>(null);
  const [at, setAt] = useState(-1);
  const [whole, setWhole] = useState<Node | null>(null);
  const [said, setSaid] = useState('');
  const turn = useRef(0);

  const maskedNodes = useMemo(() => {
    const nodes = masked.map((pointer) => atPointer(root, pointer));
    return new Set(nodes.filter((node) => node !== undefined));
  }, [root, masked]);

  useEffect(() => {
    let stopped = false;
    const timer = setTimeout(async () => {
      const nodes = await find(root, needle, () => stopped);
      if (nodes === null) return;
      setHits(needle === '' ? null : { for: needle, nodes });
      setAt(-1);
      const [first] = nodes;
      if (first !== undefined) goTo(nodes, 0);
    }, 150);
    return () => {
      stopped = true;
      clearTimeout(timer);
    };
  }, [root, needle]);

  const found = useMemo(() => new Set(hits?.nodes ?? []), [hits]);
  const around = useMemo(() => (only && hits !== null ? withAround(hits.nodes) : null), [only, hits]);

  useEffect(() => {
    if (around === null) return;
    setOpen((before) => {
      const next = new Set(before);
      for (const node of around) if (isContainer(node) && !found.has(node)) next.add(node);
      return next;
    });
  }, [around, found]);

  const goTo = (nodes: readonly Node[], to: number): void => {
    const node = nodes[to];
    if (node === undefined) return;
    setAt(to);
    setOpen((before) => {
      const next = new Set(before);
      openAround(node, next);
      return next;
    });
    turn.current += 1;
    setGoal({ node, turn: turn.current });
  };

  const step = (by: number): void => {
    const count = hits?.nodes.length ?? 0;
    if (hits !== null && count > 0) goTo(hits.nodes, (Math.max(at, by < 0 ? 0 : -1) + by + count) % count);
  };

  const copy = (what: string, made: string): void => {
    copyText(made).then(
      () => setSaid(`Copied ${what}.`),
      () => setSaid(`The browser did not copy ${what}.`),
    );
  };

  const menuOf = useCallback(
    (node: Node): MenuItem[] => {
      const path = pathOf(node);
      const listPath = listPathOf(node);
      const items: MenuItem[] = [
        { label: 'Copy value', testid: 'copy-value', run: () => copy('the value', valueText(node)) },
        {
          label: 'Copy path',
          detail: shortened(path),
          testid: 'copy-path',
          run: () => copy('the path', path),
        },
      ];
      if (listPath !== null) {
        items.push({
          label: 'Copy path for all items',
          detail: shortened(listPath),
          testid: 'copy-list-path',
          run: () => copy('the path', listPath),
        });
      }
      const source = placeOf ? placeOf(node) : node;
      if (source !== null && (outputs !== undefined || onPick !== undefined)) {
        const { reference, kept } = referenceOf(source, outputs ?? NONE);
        items.push({
          label: kept ? 'Copy template reference' : 'Copy template reference (once it is kept)',
          detail: shortened(reference),
          testid: 'copy-reference',
          run: () => copy('the reference', reference),
        });
      }
      if (source !== null && onPick !== undefined) {
        items.push({
          label: 'Make output variable',
          testid: 'make-output',
          run: () => {
            const taken = (outputs ?? NONE).map((output) => output.name);
            const name = suggestName(stepsTo(source), taken);
            onPick({ path: pathOf(source), listPath: listPathOf(source), name, value: source });
          },
        });
      }
      if (node.kind === 'string' && node.value.length > LONG_TEXT) {
        items.push({ label: 'Show the whole text', run: () => setWhole(node) });
      }
      return items;
    },
    [outputs, onPick, placeOf],
  );

  const count = hits?.nodes.length ?? 0;
  const status = hits === null ? '' : count === 0 ? 'Not found' : at < 0 ? `${count} found` : `${at + 1} of ${count}`;
  const few = useMemo(() => !isLarge(root), [root]);
  return (
    <>
      {few ? (
        <span class="hint" role="status" data-testid="tree-said">
          {said}
        </span>
      ) : (
        <TreeSearch
          {...{ root, label, needle, setNeedle, step, only, setOnly, said, setOpen, status }}
          count={hits?.nodes.length ?? 0}
        />
      )}
      <TreeView
        root={root}
        label={label}
        open={open}
        setOpen={setOpen}
        found={found}
        only={around}
        goal={goal}
        masked={maskedNodes}
        menuOf={menuOf}
        onWhole={setWhole}
      />
      {whole !== null && <WholeText node={whole} onClose={() => setWhole(null)} />}
    </>
  );
}

function shortened(text: string): string {
  return text.length > 80 ? `${visibleJson(cut(text, 80)).replaceAll('\\"', '"')}…` : text;
}

function WholeText({ node, onClose }: { node: Node; onClose: () => void }) {
  const text = node.kind === 'string' ? node.value : '';
  const path = shortened(pathOf(node));
  return (
    <Dialog
      title="The whole text"
      onClose={onClose}
      testid="whole-text"
      actions={
        <>
          <CopyButton text={text} what="the text" />
          <button type="button" class="button" onClick={() => download('text.txt', text)}>
            Download
          </button>
        </>
      }
    >
      <p class="hint mono">{path}</p>
      <TextView text={text} label={`Text at ${path}`} />
    </Dialog>
  );
}
