// The bar above a tree: finds values, and opens and closes all of it.
import { isContainer, type Node } from '../json';
import { containersIn } from './tree-model';

interface SearchProps {
  root: Node;
  label: string;
  needle: string;
  setNeedle: (needle: string) => void;
  /** Goes to the next match or to the one before. */
  step: (by: number) => void;
  count: number;
  status: string;
  only: boolean;
  setOnly: (only: boolean) => void;
  /** What was copied. */
  said: string;
  setOpen: (open: Set<Node>) => void;
}

export function TreeSearch(props: SearchProps) {
  const { root, label, needle, setNeedle, step, count, status, only, setOnly, said, setOpen } = props;
  return (
    <div class="json-search" role="search" aria-label={`In ${label}`}>
      <input
        type="search"
        class="input input-small"
        placeholder="Find a name or a value"
        aria-label={`Find in ${label}`}
        value={needle}
        data-testid="tree-search"
        onInput={(event) => setNeedle(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key !== 'Enter') return;
          event.preventDefault();
          step(event.shiftKey ? -1 : 1);
        }}
      />
      <button
        type="button"
        class="button button-small"
        disabled={count === 0}
        aria-label="Previous match"
        data-testid="tree-previous"
        onClick={() => step(-1)}
      >
        ↑
      </button>
      <button
        type="button"
        class="button button-small"
        disabled={count === 0}
        aria-label="Next match"
        data-testid="tree-next"
        onClick={() => step(1)}
      >
        ↓
      </button>
      <span class="hint" role="status" data-testid="tree-found">
        {status}
      </span>
      {count > 0 && (
        <label class="json-only">
          <input type="checkbox" checked={only} onChange={(event) => setOnly(event.currentTarget.checked)} /> Only these
        </label>
      )}
      <span class="json-space" />
      <span class="hint" role="status" data-testid="tree-said">
        {said}
      </span>
      {isContainer(root) && (
        <>
          <button
            type="button"
            class="button button-small button-quiet"
            data-testid="tree-open-all"
            onClick={() => setOpen(new Set<Node>(containersIn(root)))}
          >
            Open all
          </button>
          <button
            type="button"
            class="button button-small button-quiet"
            data-testid="tree-close-all"
            onClick={() => setOpen(new Set<Node>([root]))}
          >
            Close all
          </button>
        </>
      )}
    </div>
  );
}
