// One turn: what was said to the agent, and all that came of it.
import { Component } from 'preact';
import { LongText } from '../../components/long-text';
import { timeText, visible } from '../../text';
import type { Chat } from './chat';
import { RoundFold } from './round';
import { TextLine } from './text-line';
import type { HandoverPart, Part, PassedPart, Turn } from './turn';
import { costWords, endWords, sinceText } from './words';

const longestSaid = 4_000;

interface TurnProps {
  chat: Chat;
  turn: Turn;
  /** Those of the turn: where they are the same as before, nothing has changed. */
  parts: readonly Part[];
  state: Turn['state'];
}

export class TurnView extends Component<TurnProps> {
  override shouldComponentUpdate(next: TurnProps): boolean {
    const { turn, parts, state } = this.props;
    return next.turn !== turn || next.parts !== parts || next.state !== state;
  }

  override render({ chat, turn, parts, state }: TurnProps) {
    return (
      <li class="chat-turn" data-testid="chat-turn" data-state={state}>
        <div class="chat-said">
          <span class="visually-hidden">You, at {timeText(turn.at)}: </span>
          <p class="chat-text">
            <LongText text={turn.said} most={longestSaid} />
          </p>
          <time class="hint number" dateTime={new Date(turn.at).toISOString()} aria-hidden="true">
            {timeText(turn.at)}
          </time>
        </div>
        <div class="chat-answer">
          <span class="visually-hidden">The agent: </span>
          {parts.map((part) => (
            <PartView key={part.key} part={part} chat={chat} turn={turn} />
          ))}
          <End turn={turn} />
        </div>
      </li>
    );
  }
}

function PartView({ part, chat, turn }: { part: Part; chat: Chat; turn: Turn }) {
  switch (part.kind) {
    case 'text':
      return <TextLine chat={chat} part={part} code={turn.error?.code ?? null} />;
    case 'round':
      return <RoundFold part={part} place={chat} />;
    case 'passed':
      return <Passed part={part} />;
    case 'handover':
      return <Handover part={part} />;
  }
}

function Passed({ part }: { part: PassedPart }) {
  return (
    <div class="chat-round" data-testid="chat-passed">
      <p class="chat-about">
        <span class="number">{sinceText(part.atMs)}</span>
        <strong>For the caller to do</strong>
        <bdi class="mono">{visible(part.name)}</bdi>
      </p>
      <pre class="code">
        <LongText text={part.arguments} />
      </pre>
    </div>
  );
}

function Handover({ part }: { part: HandoverPart }) {
  return (
    <p class="notice notice-ok" data-testid="chat-handover">
      <strong>Handed over</strong>
      {part.to !== '' && (
        <>
          {' '}
          to <bdi class="mono">{visible(part.to)}</bdi>
        </>
      )}
      . <span class="hint number">{sinceText(part.atMs)}</span>
    </p>
  );
}

function End({ turn }: { turn: Turn }) {
  const words = endWords(turn);
  const cost = costWords(turn);
  const { error } = turn;
  return (
    <>
      {turn.state === 'running' && turn.parts.length === 0 && <p class="hint">Waiting for the agent…</p>}
      {error && (
        <p class="notice notice-error" data-testid="chat-error">
          {error.code !== '' && <code>{visible(error.code)}</code>} {visible(error.message)}
        </p>
      )}
      {words.length > 0 && (
        <p class="notice notice-warn" data-testid="chat-end">
          {words.join(' ')}
        </p>
      )}
      {cost !== null && (
        <p class="hint" data-testid="chat-cost">
          {cost}
        </p>
      )}
    </>
  );
}
