// A question or a form over the page. Escape and the cancel button close it; the one who opened it gets the focus back.
import type { ComponentChildren } from 'preact';
import { useId, useLayoutEffect, useRef, useState } from 'preact/hooks';

interface DialogProps {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
  /** The buttons, the one that goes on last. */
  actions?: ComponentChildren;
  /** False where there is no way round it. */
  closable?: boolean;
  /** False where one of the buttons closes it. */
  closeButton?: boolean;
  testid?: string;
}

/** Where one begins: at a button that is marked, at the first field, or at the first button below, which is the safe one. */
function firstOf(dialog: HTMLElement): HTMLElement | null {
  const field = ':is(input, select, textarea):not(:disabled)';
  for (const wanted of ['[data-autofocus]', `.dialog-body ${field}`, '.dialog-foot button:not(:disabled)']) {
    const found = dialog.querySelector<HTMLElement>(wanted);
    if (found) return found;
  }
  return null;
}

function giveBack(opener: Element | null): void {
  const there = opener instanceof HTMLElement && opener.isConnected && opener !== document.body;
  const place = there ? opener : document.querySelector<HTMLElement>('main');
  place?.focus({ preventScroll: true });
}

export function Dialog({ title, onClose, children, actions, closable = true, closeButton = closable, testid }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useId();
  const [opener] = useState(() => document.activeElement);
  useLayoutEffect(() => {
    const element = dialog.current;
    if (!element) return;
    if (!element.open) element.showModal();
    firstOf(element)?.focus();
    return () => {
      element.close();
      giveBack(opener);
    };
  }, []);
  return (
    <dialog
      ref={dialog}
      class="dialog"
      aria-labelledby={heading}
      data-testid={testid}
      onCancel={(event) => {
        event.preventDefault();
        if (closable) onClose();
      }}
    >
      <div class="dialog-head">
        <h2 id={heading}>{title}</h2>
        {closeButton && (
          <button type="button" class="button button-quiet" onClick={onClose} data-testid="dialog-close">
            Close
          </button>
        )}
      </div>
      <div class="dialog-body">{children}</div>
      {actions && <div class="dialog-foot">{actions}</div>}
    </dialog>
  );
}
