// Asks for the key of a gateway that wants one. The key stays in this tab.
import { useState } from 'preact/hooks';
import { key, keyPrompt } from '../state';
import { Dialog } from './dialog';

export function KeyPrompt() {
  const [typed, setTyped] = useState('');
  const why = keyPrompt.value;
  if (why === null) return null;
  const use = (event: Event) => {
    event.preventDefault();
    const trimmed = typed.trim();
    if (trimmed === '') return;
    // The same key again is asked about again.
    if (trimmed === key.peek()) key.value = '';
    keyPrompt.value = null;
    key.value = trimmed;
  };
  return (
    <Dialog title="Give a key" closable={false} onClose={() => undefined} testid="key-prompt">
      <form onSubmit={use} class="stack">
        <p>
          This gateway wants a key. <code>callgate keygen</code> makes one. This tab keeps it until you close it.
        </p>
        {why === 'wrong' && (
          <p class="notice notice-error" role="alert" data-testid="key-wrong">
            The gateway does not know this key.
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
