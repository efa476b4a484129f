// A menu over the page, at a place of it.
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';

export interface MenuItem {
  label: string;
  /** What it does it with, such as the path that is copied. */
  detail?: string;
  testid?: string;
  run: () => void;
}

interface MenuProps {
  label: string;
  items: readonly MenuItem[];
  /** Where it opens, in pixels of the window. */
  at: { x: number; y: number };
  /** `back` says that the one who opened it gets the focus back. */
  onClose: (back: boolean) => void;
}

export function Menu({ label, items, at, onClose }: MenuProps) {
  const box = useRef<HTMLDivElement>(null);
  const [place, setPlace] = useState({ left: at.x, top: at.y });

  useLayoutEffect(() => {
    const element = box.current;
    if (element === null) return;
    const { width, height } = element.getBoundingClientRect();
    const top = at.y + height > innerHeight - 8 ? Math.max(8, innerHeight - 8 - height) : at.y;
    setPlace({ left: Math.max(8, Math.min(at.x, innerWidth - 8 - width)), top });
    element.querySelector<HTMLElement>('[role=menuitem]')?.focus();
  }, [at.x, at.y]);

  useEffect(() => {
    const outside = (event: Event): void => {
      if (event.target instanceof globalThis.Node && !box.current?.contains(event.target)) onClose(false);
    };
    const away = (): void => onClose(false);
    addEventListener('pointerdown', outside, true);
    addEventListener('resize', away);
    return () => {
      removeEventListener('pointerdown', outside, true);
      removeEventListener('resize', away);
    };
  }, [onClose]);

  const move = (event: KeyboardEvent): void => {
    const all = [...(box.current?.querySelectorAll<HTMLElement>('[role=menuitem]') ?? [])];
    const now = all.findIndex((item) => item === document.activeElement);
    const to = { ArrowDown: now + 1, ArrowUp: now - 1 + all.length, Home: 0, End: all.length - 1 }[event.key];
    if (to !== undefined) all[to % all.length]?.focus();
    else if (event.key === 'Escape' || event.key === 'Tab') onClose(true);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };

  return (
    <div
      ref={box}
      class="menu"
      role="menu"
      aria-label={label}
      style={{ left: `${place.left}px`, top: `${place.top}px` }}
      onKeyDown={move}
      data-testid="tree-menu"
    >
      {items.map((item) => (
        <button
          key={item.label}
          type="button"
          role="menuitem"
          tabIndex={-1}
          class="menu-item"
          data-testid={item.testid}
          onClick={() => {
            onClose(true);
            item.run();
          }}
        >
          <span>{item.label}</span>
          {item.detail !== undefined && <span class="menu-detail">{item.detail}</span>}
        </button>
      ))}
    </div>
  );
}
