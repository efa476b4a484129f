// The turns of a conversation, oldest first, in a box that scrolls by itself and follows what is said.
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { Chat } from './chat';
import { TurnView } from './turn-view';

const shownAtOnce = 40;
const nearEndPx = 24;

export function Transcript({ chat }: { chat: Chat }) {
  const box = useRef<HTMLDivElement>(null);
  const list = useRef<HTMLOListElement>(null);
  const follows = useRef(true);
  const lastTop = useRef(0);
  const [isBehind, setBehind] = useState(false);
  const [most, setMost] = useState(shownAtOnce);
  void chat.version.value;
  const running = chat.running.value;
  const { turns } = chat;
  const hidden = Math.max(0, turns.length - most);

  function toEnd(): void {
    const element = box.current;
    if (element) element.scrollTop = element.scrollHeight;
  }

  // Texts grow without being drawn again, so it is the size that tells of them.
  useEffect(() => {
    const element = list.current;
    if (!element) return undefined;
    const observer = new ResizeObserver(() => {
      if (follows.current) toEnd();
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  // Who says something wants to see what comes of it.
  useLayoutEffect(() => {
    if (running) follow();
  }, [running]);

  function follow(): void {
    follows.current = true;
    setBehind(false);
    toEnd();
  }

  function onScroll(): void {
    const element = box.current;
    if (!element) return;
    const isAtEnd = element.scrollHeight - element.scrollTop - element.clientHeight <= nearEndPx;
    // A box that grew is no reader who has scrolled.
    if (isAtEnd) follows.current = true;
    else if (element.scrollTop < lastTop.current) follows.current = false;
    lastTop.current = element.scrollTop;
    setBehind(!follows.current);
  }

  return (
    <div class="chat-transcript">
      <div
        class="chat-box"
        ref={box}
        onScroll={onScroll}
        tabIndex={0}
        role="region"
        aria-label="Transcript"
        aria-busy={running !== null}
        data-testid="transcript"
      >
        {hidden > 0 && (
          <button
            type="button"
            class="button button-small timeline-more"
            onClick={() => {
              follows.current = false;
              setMost(most + shownAtOnce);
            }}
            data-testid="older-turns"
          >
            Show older ({hidden})
          </button>
        )}
        {turns.length === 0 && (
          <p class="hint chat-none">
            {chat.hasBegun.value
              ? 'What was said before is not shown here; the agent knows it. Say something to go on.'
              : 'Say something to begin.'}
          </p>
        )}
        <ol class="chat-turns" ref={list}>
          {turns.slice(hidden).map((turn) => (
            <TurnView key={turn.id} chat={chat} turn={turn} parts={turn.parts} state={turn.state} />
          ))}
        </ol>
      </div>
      {isBehind && (
        <button type="button" class="button button-small to-newest" onClick={follow} data-testid="to-newest-turn">
          ↓ Newest
        </button>
      )}
    </div>
  );
}
