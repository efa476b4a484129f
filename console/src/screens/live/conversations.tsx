// The conversations of an environment, the last begun first.
import { signal } from '@preact/signals';
import { useRef, useState } from 'preact/hooks';
import { api, ApiError, errorText, isAbort, type ConversationHead } from '../../api';
import { usePoll } from '../../poll';
import { go, href } from '../../route';
import { visible } from '../../text';
import { Age } from '../health/age';

const pollEveryMs = 3000;
const pageSize = 50;

/** The ids that the list knows of, so that a view of one that was missing can look again. */
export const knownIds = signal<ReadonlySet<string>>(new Set());

interface Loaded {
  list: ConversationHead[];
  /** The cursor behind the last page; null where there is no more. */
  next: string | null;
}

export function ConversationList({ environment, chosen }: { environment: string; chosen: string }) {
  const [loaded, setLoaded] = useState<Loaded | null>(null);
  const [failure, setFailure] = useState<string | null>(null);
  const [search, setSearch] = useState('');
  const [isLoadingMore, setLoadingMore] = useState(false);
  const latest = useRef<Loaded | null>(null);

  function show(now: Loaded): void {
    latest.current = now;
    setLoaded(now);
    knownIds.value = new Set(now.list.map(({ id }) => id));
  }

  const refresh = usePoll(
    async (signal) => {
      try {
        const page = await api.conversations(environment, undefined, pageSize, signal);
        show(withFirstPage(latest.current, page.conversations, page.next));
        setFailure(null);
      } catch (error) {
        // The frame of the page says that there is no gateway; what is shown stays.
        if (isAbort(error) || (error instanceof ApiError && error.code === 'unreachable')) return;
        setFailure(errorText(error));
      }
    },
    pollEveryMs,
    environment,
  );

  async function showMore(): Promise<void> {
    const before = latest.current;
    if (!before?.next) return;
    setLoadingMore(true);
    try {
      const page = await api.conversations(environment, before.next, pageSize);
      const known = new Set(latest.current?.list.map(({ id }) => id));
      const added = page.conversations.filter(({ id }) => !known.has(id));
      show({ list: [...(latest.current?.list ?? []), ...added], next: page.next });
    } catch (error) {
      setFailure(errorText(error));
    } finally {
      setLoadingMore(false);
    }
  }

  const wanted = search.trim();
  const found = loaded?.list.filter(({ id }) => id.includes(wanted)) ?? [];

  function open(event: Event): void {
    event.preventDefault();
    if (wanted !== '') go(href('live', [environment, wanted]));
  }

  return (
    <nav class="conversations" aria-labelledby="conversations-title" data-testid="conversations">
      <div class="conversations-head">
        <h2 id="conversations-title">Conversations</h2>
        <button type="button" class="button button-small" onClick={refresh} data-testid="conversations-refresh">
          Refresh
        </button>
      </div>
      <form class="conversations-search" role="search" onSubmit={open}>
        <label class="visually-hidden" for="conversation-search">
          Search by id
        </label>
        <input
          id="conversation-search"
          class="input"
          type="search"
          placeholder="Search by id"
          autocomplete="off"
          spellcheck={false}
          value={search}
          onInput={(event) => setSearch(event.currentTarget.value)}
          data-testid="conversation-search"
        />
        <button type="submit" class="button button-small" disabled={wanted === ''} data-testid="conversation-open">
          Open
        </button>
      </form>
      {failure && (
        <p class="notice notice-error" role="alert" data-testid="conversations-failure">
          {failure}
        </p>
      )}
      {!loaded && !failure && <p class="hint">Asking the gateway …</p>}
      {loaded?.list.length === 0 && (
        <p class="hint" data-testid="conversations-none">
          No conversations yet. A call that names a <code>conversation_id</code> begins one.
        </p>
      )}
      {loaded && loaded.list.length > 0 && found.length === 0 && (
        <p class="hint">None of those listed has “{visible(wanted)}” in its id. “Open” looks for exactly this id.</p>
      )}
      <ol class="conversation-list">
        {found.map((head) => (
          <ConversationItem key={head.id} head={head} isChosen={head.id === chosen} />
        ))}
      </ol>
      {loaded?.next && (
        <button
          type="button"
          class="button button-small"
          disabled={isLoadingMore}
          onClick={() => void showMore()}
          data-testid="conversations-more"
        >
          Show more
        </button>
      )}
    </nav>
  );
}

function ConversationItem({ head, isChosen }: { head: ConversationHead; isChosen: boolean }) {
  return (
    <li>
      <a
        class="conversation-link"
        href={href('live', [head.environment, head.id])}
        aria-current={isChosen ? 'true' : undefined}
        data-testid="conversation"
      >
        <bdi class="mono conversation-id">{visible(head.id)}</bdi>
        <span class="conversation-about">
          {head.current_state && <span class="badge">{visible(head.current_state)}</span>}
          {head.ended_at && <span class="badge">ended</span>}
          <span class="hint">
            <Age at={head.started_at} />
          </span>
        </span>
      </a>
    </li>
  );
}

/** The list with a fresh first page: what stands behind it stays, as far as it was loaded. */
function withFirstPage(before: Loaded | null, first: ConversationHead[], next: string | null): Loaded {
  const last = first.at(-1);
  if (!before || before.list.length <= first.length || !next || !last) return { list: first, next };
  const ids = new Set(first.map(({ id }) => id));
  const rest = before.list.filter(({ id, started_at }) => !ids.has(id) && started_at <= last.started_at);
  return rest.length > 0 ? { list: [...first, ...rest], next: before.next } : { list: first, next };
}
