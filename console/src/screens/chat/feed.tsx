// What the tools of the conversation do, as Live shows it.
import { useEffect, useMemo, useState } from 'preact/hooks';
import { FeedStore } from '../live/store';
import { StreamState } from '../live/stream-state';
import { Timeline } from '../live/timeline';
import { VariablesPanel } from '../live/variables';
import type { Chat } from './chat';

export function ChatFeed({ chat }: { chat: Chat }) {
  const hasBegun = chat.hasBegun.value;
  return (
    <section class="chat-feed" aria-labelledby="chat-feed-title" data-testid="chat-feed">
      {hasBegun ? (
        <Followed key={chat.id} chat={chat} />
      ) : (
        <>
          <h2 id="chat-feed-title">Tools</h2>
          <p class="hint">The feed of the conversation begins with the first message.</p>
        </>
      )}
    </section>
  );
}

function Followed({ chat }: { chat: Chat }) {
  const { environment, id } = chat;
  const [round, setRound] = useState(0);
  const store = useMemo(() => new FeedStore(environment, id), [environment, id, round]);
  useEffect(() => store.start(), [store]);

  // A conversation that was not there begins with a turn.
  const isMissing = store.state.value.state === 'over' && store.feed.eventCount === 0;
  const turns = chat.turns.length;
  const isQuiet = chat.running.value === null;
  useEffect(() => {
    if (isMissing && isQuiet && turns > 0) setRound((before) => before + 1);
  }, [isQuiet, turns]);

  const version = store.version.value;
  const rows = useMemo(() => store.feed.rows.slice(), [store, version]);
  return (
    <>
      <div class="screen-head">
        <h2 id="chat-feed-title">Tools</h2>
        <StreamState state={store.state.value} again={() => setRound(round + 1)} />
      </div>
      <Timeline key={round} rows={rows} environment={environment} conversation={id} />
      <VariablesPanel store={store} />
    </>
  );
}
