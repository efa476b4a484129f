// Asks for the key of a gateway that requires one. The key stays in this tab.
import { signal } from '@preact/signals';
import { useState } from 'preact/hooks';
import { key, keyPrompt } from '../state';
import { Dialog } from './dialog';

/** Somebody wants to use another key than the one of the tab, which works. */
export const asksForKey = signal(false);

export function KeyPrompt() {
  const [typed, setTyped] = useState('');
  const why = keyPrompt.value;
  const another = why === null && asksForKey.value;
  if (why === null && !another) return null;
  const close = () => {
    asksForKey.value = false;
    setTyped('');
  };
  const use = (event: Event) => {
    event.preventDefault();
    const trimmed = typed.trim();
    if (trimmed === '') return;
    // The same key again is asked about again.
    if (trimmed === key.peek()) key.value = '';
    keyPrompt.value = null;
    key.value = trimmed;
    // All that is shown may be different under another key.
    if (another) location.reload();
  };
  return (
    <Dialog key={String(another)} title="Enter a key" closable={another} onClose={close} testid="key-prompt">
      <form onSubmit={use} class="stack">
        <p>
          This gateway requires an API key. Create one with <code>callgate keygen</code>. The key stays in this tab until you
          close it.
        </p>
        {why === 'wrong' && (
          <p class="notice notice-error" role="alert" data-testid="key-wrong">
            This key is not valid here.
          </p>
        )}
        <label class="label" for="key-input">
          Key
        </label>
        <input
          id="key-input"
          class="input mono"
          type="password"
          autocomplete="off"
          spellcheck={false}
          placeholder="cg_…"
          value={typed}
          onInput={(event) => setTyped(event.currentTarget.value)}
          data-testid="key-input"
        />
        <div class="row row-end">
          <button type="submit" class="button button-primary" disabled={typed.trim() === ''} data-testid="key-use">
            Use this key
          </button>
        </div>
      </form>
    </Dialog>
  );
}
