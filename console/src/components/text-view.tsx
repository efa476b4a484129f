// A text of any length: only the lines in sight are in the document.
import { useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { visiblePieces } from '../json';
import { breakLines, lineAt } from './text-lines';
import { useRowWindow } from './window';

const ROW = 20;

interface TextViewProps {
  text: string;
  label: string;
}

/** A piece of a text with its hidden characters as escapes. */
export function Visible({ text }: { text: string }) {
  return (
    <>
      {visiblePieces(text).map((piece, at) => (
        <span key={at} class={piece.escape ? 'escape' : undefined}>
          {piece.text}
        </span>
      ))}
    </>
  );
}

export function TextView({ text, label }: TextViewProps) {
  const box = useRef<HTMLDivElement>(null);
  const ruler = useRef<HTMLSpanElement>(null);
  const [columns, setColumns] = useState(100);
  const lines = useMemo(() => breakLines(text, columns), [text, columns]);
  const { first, end, height, top } = useRowWindow(box, lines.count, ROW);

  useLayoutEffect(() => {
    const element = box.current;
    if (element === null) return;
    const measure = (): void => {
      const character = (ruler.current?.getBoundingClientRect().width ?? 80) / 10;
      if (character > 0) setColumns(Math.max(20, Math.floor((element.clientWidth - 20) / character)));
    };
    const observer = new ResizeObserver(measure);
    measure();
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  const rows = [];
  for (let row = first; row < end; row += 1) {
    rows.push(
      <div key={row} class="text-row">
        <Visible text={lineAt(lines, row)} />
      </div>,
    );
  }
  return (
    <div ref={box} class="text-box" role="region" aria-label={label} tabIndex={0} data-testid="text-view">
      <span ref={ruler} class="text-ruler" aria-hidden="true">
        0000000000
      </span>
      <div class="rows-height" style={{ height: `${height}px` }}>
        <div class="rows" style={{ transform: `translateY(${top}px)` }}>
          {rows}
        </div>
      </div>
    </div>
  );
}
