// What the caller does not hear: an answer of a model and its calls, folded to one line.
import { useState } from 'preact/hooks';
import { LongText } from '../../components/long-text';
import { href } from '../../route';
import { msText, visible } from '../../text';
import type { Place } from './chat';
import type { CallEntry, RoundPart } from './turn';
import { callWords, roundWords, sinceText } from './words';

const tones: Record<string, string> = { success: 'badge-ok', exception: 'badge-warn', error: 'badge-error', failure: 'badge-error' };

function toneOf(call: CallEntry): string {
  if (!call.isEnded) return 'badge-accent';
  return tones[call.status ?? 'exception'] ?? '';
}

export function RoundFold({ part, place }: { part: RoundPart; place: Place }) {
  const [isOpen, setOpen] = useState(false);
  const about = <About part={part} />;
  if (part.calls.length === 0) {
    return (
      <p class="chat-round chat-round-plain" data-testid="chat-round">
        {about}
      </p>
    );
  }
  return (
    <details class="chat-round" onToggle={(event) => setOpen(event.currentTarget.open)} data-testid="chat-round">
      <summary>{about}</summary>
      {isOpen && (
        <ol class="chat-calls">
          {part.calls.map((call, at) => (
            <Call key={at} call={call} place={place} />
          ))}
        </ol>
      )}
    </details>
  );
}

function About({ part }: { part: RoundPart }) {
  return (
    <span class="chat-about">
      <span class="number">{sinceText(part.atMs)}</span>
      <strong>{roundWords(part)}</strong>
      {part.model !== '' && <bdi class="mono">{visible(part.model)}</bdi>}
      {part.firstTokenMs !== null && <span>first token {msText(part.firstTokenMs)}</span>}
      {part.tookMs !== null && <span>took {msText(part.tookMs)}</span>}
      {part.calls.map((call, at) => (
        <span key={at} class="chat-called">
          <bdi class="mono">{visible(call.name)}</bdi>
          <span class={`badge ${toneOf(call)}`}>{visible(callWords(call))}</span>
        </span>
      ))}
    </span>
  );
}

function Call({ call, place }: { call: CallEntry; place: Place }) {
  const isInFeed = call.id !== '' && (!call.isEnded || call.status !== null);
  return (
    <li class="chat-call" data-testid="chat-call">
      <p class="chat-about">
        <bdi class="mono chat-call-name">{visible(call.name) || '(name unknown)'}</bdi>
        <span class={`badge ${toneOf(call)}`}>{visible(callWords(call))}</span>
        {call.durationMs !== null && <span>{msText(call.durationMs)}</span>}
        {call.replayed && <span class="badge badge-accent">replayed</span>}
        {isInFeed && (
          <a href={href('live', [place.environment, place.id], { call: call.id })} data-testid="call-in-live">
            Open in Live
          </a>
        )}
      </p>
      {call.arguments !== null && (
        <>
          <h4>Arguments</h4>
          <pre class="code">
            <LongText text={call.arguments} />
          </pre>
        </>
      )}
      {call.told !== null && (
        <>
          <h4>What the model was told</h4>
          <pre class="code">
            <LongText text={call.told} />
          </pre>
        </>
      )}
    </li>
  );
}
