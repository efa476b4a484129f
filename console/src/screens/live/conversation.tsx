// One conversation: how its stream is doing, its feed and its variables.
import { useEffect, useMemo, useState } from 'preact/hooks';
import { href, route } from '../../route';
import { visible } from '../../text';
import { CopyButton } from '../../components/copy';
import { knownIds } from './conversations';
import { actionsIn, filterRows, noFilter, type Filter } from './filter';
import { FilterBar } from './filter-bar';
import { FeedStore } from './store';
import { StreamState } from './stream-state';
import { Timeline } from './timeline';
import { VariablesPanel } from './variables';

export function ConversationView({ environment, id }: { environment: string; id: string }) {
  const [round, setRound] = useState(0);
  const store = useMemo(() => new FeedStore(environment, id), [environment, id, round]);
  const [filter, setFilter] = useState<Filter>(noFilter);
  // Each call that the address names is gone to once.
  const named = route.value.query.get('call');
  const [found, setFound] = useState<string | null>(null);
  useEffect(() => store.start(), [store]);

  // A conversation that was not there may have begun meanwhile.
  const isMissing = store.state.value.state === 'over' && store.feed.eventCount === 0;
  const isKnown = knownIds.value.has(id);
  useEffect(() => {
    if (isMissing && isKnown) setRound((before) => before + 1);
  }, [isMissing, isKnown]);

  const version = store.version.value;
  const rows = useMemo(() => filterRows(store.feed.rows, filter).slice(), [store, version, filter]);
  const actions = useMemo(() => actionsIn(store.feed.rows), [store, version]);

  return (
    <article class="conversation" aria-labelledby="conversation-title" data-testid="conversation-view">
      <header class="conversation-head">
        <a class="back" href={href('live', [environment])} data-testid="back-to-conversations">
          ← Conversations
        </a>
        <h2 id="conversation-title">
          <bdi class="mono">{visible(id)}</bdi>
        </h2>
        <CopyButton text={id} what="the id of the conversation" />
        <StreamState state={store.state.value} again={() => setRound(round + 1)} />
      </header>
      <FilterBar filter={filter} actions={actions} change={setFilter} shown={rows.length} all={store.feed.rows.length} />
      <div class="conversation-columns">
        <Timeline
          key={`${round} ${filter.action} ${filter.outcome}`}
          rows={rows}
          environment={environment}
          conversation={id}
          wanted={named === found ? null : named}
          onFound={setFound}
        />
        <VariablesPanel store={store} />
      </div>
    </article>
  );
}
