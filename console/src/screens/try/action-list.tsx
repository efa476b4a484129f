// The actions of the environment, to search and to choose from.
import { useRef, useState } from 'preact/hooks';
import type { Action } from '../../api';
import { href } from '../../route';
import { environment } from '../../state';
import { visible } from '../../text';
import { isWrite } from './call';

export function kindOf(action: Action): string {
  return action.method ?? action.type;
}

function found(action: Action, words: string[]): boolean {
  const text = `${action.name} ${action.description}`.toLowerCase();
  return words.every((word) => text.includes(word));
}

export function ActionList({ actions, chosen }: { actions: Action[]; chosen: string | null }) {
  const [search, setSearch] = useState('');
  const [open, setOpen] = useState(false);
  const list = useRef<HTMLUListElement>(null);
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  const shown = actions.filter((action) => found(action, words));

  const move = (event: KeyboardEvent) => {
    if (event.key !== 'ArrowDown' && event.key !== 'ArrowUp') return;
    const links = [...(list.current?.querySelectorAll('a') ?? [])];
    const at = links.findIndex((link) => link === document.activeElement);
    const next = links[event.key === 'ArrowDown' ? at + 1 : at - 1];
    if (next) next.focus();
    else if (event.key === 'ArrowUp') document.getElementById('action-search')?.focus();
    event.preventDefault();
  };

  return (
    <nav class={open ? 'actions actions-open' : 'actions'} aria-label="Actions" onKeyDown={move}>
      <button
        type="button"
        class="button actions-toggle"
        aria-expanded={open}
        onClick={() => setOpen(!open)}
        data-testid="actions-toggle"
      >
        <span class="mono isolate">{chosen === null ? 'Choose an action' : visible(chosen)}</span>
        <span class="hint">{open ? 'Close' : 'Change'}</span>
      </button>
      <div class="actions-body">
        <label class="visually-hidden" for="action-search">
          Search the actions
        </label>
        <input
          id="action-search"
          class="input"
          type="search"
          placeholder={`Search ${actions.length} actions`}
          value={search}
          onInput={(event) => setSearch(event.currentTarget.value)}
          data-testid="action-search"
        />
        <ul ref={list} class="actions-list">
          {shown.map((action) => (
            <li key={action.name}>
              <a
                href={href('try', [environment.value, action.name])}
                aria-current={action.name === chosen ? 'true' : undefined}
                title={visible(action.description)}
                onClick={() => setOpen(false)}
                data-testid={`action-${action.name}`}
              >
                <span class="actions-name isolate">{visible(action.name)}</span>
                <span class={isWrite(action) ? 'actions-kind actions-write' : 'actions-kind'}>
                  {kindOf(action)}
                  {isWrite(action) && <span class="visually-hidden">, writes</span>}
                  {isWrite(action) && <span aria-hidden="true"> ✎</span>}
                </span>
              </a>
            </li>
          ))}
        </ul>
        {shown.length === 0 && <p class="hint">No matching actions.</p>}
      </div>
    </nav>
  );
}

export function KindBadge({ action }: { action: Action }) {
  const write = isWrite(action);
  return (
    <span class={write ? 'badge badge-warn' : 'badge'}>
      {kindOf(action)}
      {write ? ' · writes' : ''}
    </span>
  );
}
