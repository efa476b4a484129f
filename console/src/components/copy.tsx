// A button that copies a text whole, and says that it did.
import { useEffect, useState } from 'preact/hooks';

interface CopyProps {
  /** The text, or what makes it when it is asked for. */
  text: string | (() => string | Promise<string>);
  label?: string;
  /** What is copied, for those who do not see where the button stands. */
  what?: string;
  testid?: string;
}

const SAID_MS = 1600;

export async function copyText(text: string): Promise<void> {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  // Without a secure context there is no clipboard but this one.
  const area = document.createElement('textarea');
  area.value = text;
  area.className = 'visually-hidden';
  document.body.append(area);
  area.select();
  const copied = document.execCommand('copy');
  area.remove();
  if (!copied) throw new Error('The browser does not allow to copy.');
}

export function CopyButton({ text, label = 'Copy', what, testid }: CopyProps) {
  const [said, setSaid] = useState<string | null>(null);
  useEffect(() => {
    if (said === null) return;
    const timer = setTimeout(() => setSaid(null), SAID_MS);
    return () => clearTimeout(timer);
  }, [said]);
  const copy = async () => {
    try {
      await copyText(typeof text === 'string' ? text : await text());
      setSaid('Copied');
    } catch {
      setSaid('Not copied');
    }
  };
  return (
    <button
      type="button"
      class="button button-small"
      onClick={() => void copy()}
      aria-label={what ? `${label} ${what}` : undefined}
      data-testid={testid ?? 'copy'}
    >
      <span aria-live="polite">{said ?? label}</span>
    </button>
  );
}
