// The rows of a feed, oldest first, in a box that scrolls by itself. Only a window of them is in the document.
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { CallCard } from './call-card';
import { EventLine, GapLine } from './event-line';
import type { Row } from './feed';
import { afterGrowth, around, atNewest, newer, older, type Window } from './window';

interface TimelineProps {
  rows: readonly Row[];
  environment: string;
  conversation: string;
  /** The id of a call that is opened and gone to as soon as it is there. */
  wanted?: string | null;
  onFound?: (id: string) => void;
}

/** A row that the reader sees, and where: it stays there whatever is added. */
interface Anchor {
  key: string;
  top: number;
}

const nearEndPx = 8;

export function Timeline({ rows, environment, conversation, wanted = null, onFound }: TimelineProps) {
  const box = useRef<HTMLDivElement>(null);
  const follows = useRef(true);
  const anchor = useRef<Anchor | null>(null);
  const lastTop = useRef(0);
  const window = useRef<Window>(atNewest(rows.length));
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const [, redraw] = useState(0);
  const seen = useRef(rows.length);
  /** The row that is to be gone to once it is open. */
  const goTo = useRef<string | null>(null);

  window.current = afterGrowth(window.current, rows.length, follows.current);
  if (follows.current) seen.current = rows.length;
  const { start, end } = window.current;

  useLayoutEffect(() => {
    const at = wanted === null ? -1 : placeOf(rows, wanted);
    const row = rows[at];
    if (wanted === null || !row) return;
    goTo.current = row.key;
    follows.current = false;
    window.current = around(at, rows.length);
    setOpen((now) => new Set([...now, row.key]));
    onFound?.(wanted);
  }, [rows, wanted]);

  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    // The reader may have scrolled away and the event of it be still to come.
    if (element.scrollTop < lastTop.current - 1 && !isAtBottom(element)) follows.current = false;
    const gone = goTo.current !== null && open.has(goTo.current) ? rowOf(goTo.current, element) : null;
    if (gone) {
      goTo.current = null;
      element.scrollTop += topOf(gone, element);
      gone.querySelector<HTMLElement>('button')?.focus({ preventScroll: true });
    } else if (follows.current) {
      element.scrollTop = element.scrollHeight;
    } else if (anchor.current) {
      const row = rowOf(anchor.current.key, element);
      if (row) element.scrollTop += topOf(row, element) - anchor.current.top;
    }
    anchor.current = anchorIn(element);
    lastTop.current = element.scrollTop;
  });

  function move(to: Window): void {
    if (box.current) anchor.current = anchorIn(box.current);
    window.current = to;
    redraw((count) => count + 1);
  }

  function onScroll(): void {
    const element = box.current;
    if (!element) return;
    anchor.current = anchorIn(element);
    lastTop.current = element.scrollTop;
    const isAtNewest = isAtBottom(element) && end === rows.length;
    if (isAtNewest === follows.current) return;
    follows.current = isAtNewest;
    redraw((count) => count + 1);
  }

  /** Somebody who turns the wheel upwards leaves the newest end at once, before the box has scrolled. */
  function onWheel(event: WheelEvent): void {
    const element = box.current;
    if (event.deltaY < 0 && element && element.scrollHeight > element.clientHeight) follows.current = false;
  }

  function toggle(key: string): void {
    const now = new Set(open);
    if (!now.delete(key)) {
      now.add(key);
      // Who opens a call reads it: what comes must not push it away.
      follows.current = false;
    }
    setOpen(now);
  }

  function toNewest(): void {
    follows.current = true;
    move(atNewest(rows.length));
  }

  const unseen = rows.length - seen.current;
  return (
    <div class="timeline">
      <div
        class="timeline-box"
        ref={box}
        onScroll={onScroll}
        onWheel={onWheel}
        tabIndex={0}
        role="region"
        aria-label="Feed"
        data-testid="timeline"
        data-following={follows.current}
      >
        {start > 0 && (
          <button
            type="button"
            class="button button-small timeline-more"
            onClick={() => {
              follows.current = false;
              move(older(window.current));
            }}
            data-testid="show-older"
          >
            Show older ({start})
          </button>
        )}
        {rows.length === 0 && <p class="hint timeline-none">Nothing to show yet.</p>}
        <ol class="feed-rows">
          {rows.slice(start, end).map((row) => {
            if (row.kind === 'gap') return <GapLine key={row.key} row={row} />;
            if (row.kind === 'event') return <EventLine key={row.key} row={row} />;
            return (
              <CallCard
                key={row.key}
                row={row}
                isOpen={open.has(row.key)}
                toggle={toggle}
                environment={environment}
                conversation={conversation}
              />
            );
          })}
        </ol>
        {end < rows.length && (
          <button
            type="button"
            class="button button-small timeline-more"
            onClick={() => move(newer(window.current, rows.length))}
            data-testid="show-newer"
          >
            Show newer ({rows.length - end})
          </button>
        )}
      </div>
      {!follows.current && (
        <button type="button" class="button button-small to-newest" onClick={toNewest} data-testid="to-newest">
          ↓ Newest{unseen > 0 ? ` (${unseen} new)` : ''}
        </button>
      )}
    </div>
  );
}

function isAtBottom(box: HTMLElement): boolean {
  return box.scrollHeight - box.scrollTop - box.clientHeight <= nearEndPx;
}

function rowOf(key: string, box: HTMLElement): HTMLElement | null {
  return box.querySelector<HTMLElement>(`[data-key="${key}"]`);
}

/** The place of the newest row of a call; -1 where there is none. */
function placeOf(rows: readonly Row[], toolCallId: string): number {
  for (let at = rows.length - 1; at >= 0; at -= 1) {
    const row = rows[at];
    if (row?.kind === 'call' && row.toolCallId === toolCallId) return at;
  }
  return -1;
}

function topOf(row: HTMLElement, box: HTMLElement): number {
  return row.getBoundingClientRect().top - box.getBoundingClientRect().top;
}

/** The first row of which something is in sight; rows stand in order, so half of them are left out at each look. */
function anchorIn(box: HTMLElement): Anchor | null {
  const rows = box.querySelectorAll<HTMLElement>('[data-key]');
  const boxTop = box.getBoundingClientRect().top;
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const row = rows[middle];
    if (row && row.getBoundingClientRect().bottom > boxTop) high = middle;
    else low = middle + 1;
  }
  const row = rows[low];
  return row?.dataset['key'] ? { key: row.dataset['key'], top: topOf(row, box) } : null;
}
