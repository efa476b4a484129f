// Which rows of a long list are in sight, so that only they are in the document.
import type { RefObject } from 'preact';
import { useCallback, useLayoutEffect, useState } from 'preact/hooks';

/** Browsers do not draw boxes that are much higher. */
const MOST_HEIGHT = 8_000_000;
const SPARE_ROWS = 12;

export interface RowWindow {
  first: number;
  /** Behind the last one. */
  end: number;
  /** The height of all rows, as far as browsers go. */
  height: number;
  /** Where the first row in sight stands. */
  top: number;
  /** Scrolls as far as it takes to show a row. */
  reveal: (row: number) => void;
  /** How many rows are in sight. */
  page: number;
}

export function useRowWindow(box: RefObject<HTMLElement | null>, count: number, rowHeight: number): RowWindow {
  const [scroll, setScroll] = useState(0);
  const [seen, setSeen] = useState(400);

  useLayoutEffect(() => {
    const element = box.current;
    if (element === null) return;
    const measure = (): void => setSeen(element.clientHeight);
    const onScroll = (): void => setScroll(element.scrollTop);
    const observer = new ResizeObserver(measure);
    measure();
    observer.observe(element);
    element.addEventListener('scroll', onScroll, { passive: true });
    return () => {
      observer.disconnect();
      element.removeEventListener('scroll', onScroll);
    };
  }, [box]);

  const whole = count * rowHeight;
  const height = Math.min(whole, MOST_HEIGHT);
  // Where the list is higher than a box can be, one pixel of scrolling stands for more than one pixel of rows.
  const ratio = whole > height && height > seen ? (whole - seen) / (height - seen) : 1;
  const from = Math.max(0, Math.min(scroll, Math.max(0, height - seen))) * ratio;
  const first = Math.max(0, Math.floor(from / rowHeight) - SPARE_ROWS);
  const end = Math.min(count, Math.ceil((from + seen) / rowHeight) + SPARE_ROWS);

  const reveal = useCallback(
    (row: number) => {
      const element = box.current;
      if (element === null) return;
      const at = element.scrollTop * ratio;
      const shown = element.clientHeight;
      let to = at;
      if (row * rowHeight < at) to = row * rowHeight;
      else if ((row + 1) * rowHeight > at + shown) to = (row + 1) * rowHeight - shown;
      if (to !== at) {
        element.scrollTop = to / ratio;
        setScroll(element.scrollTop);
      }
    },
    [box, ratio, rowHeight],
  );

  return {
    first,
    end,
    height,
    top: first * rowHeight - from + from / ratio,
    reveal,
    page: Math.max(1, Math.floor(seen / rowHeight) - 1),
  };
}
