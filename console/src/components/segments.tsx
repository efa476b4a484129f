// A text of a request, each value in it marked with where it comes from.
import { useState } from 'preact/hooks';
import { cut } from '../json/index';
import { definitionHref } from '../route';
import { visible } from '../text';
import type { Segment, Source } from '../types';
import { ShowMore } from './long-text';
import { Visible } from './text-view';

export const SOURCES: Record<Source, string> = {
  argument: 'argument',
  default: 'default of the schema',
  bound: 'bound value',
  call_variable: 'variable of the call',
  conversation_variable: 'variable of the conversation',
  static_variable: 'static variable',
  secret: 'secret',
  credential: 'credential',
  computed: 'computed',
};

export function sourceName(segment: Segment): string {
  return segment.source ? (SOURCES[segment.source] ?? visible(segment.source)) : 'unknown';
}

const SHOWN_AT_ONCE = 20_000;

/** The segments up to so many characters, and how many are behind them. */
function beginning(parts: Segment[], most: number): { kept: Segment[]; more: number } {
  const kept: Segment[] = [];
  let room = most;
  let more = 0;
  for (const part of parts) {
    const text = room > 0 ? cut(part.text, room) : '';
    if (text !== '' || room > 0) kept.push(text === part.text ? part : { ...part, text });
    more += part.text.length - text.length;
    room -= part.text.length;
  }
  return { kept, more };
}

export function Segments({ parts }: { parts: Segment[] }) {
  const [whole, setWhole] = useState(false);
  const { kept, more } = beginning(parts, whole ? Number.POSITIVE_INFINITY : SHOWN_AT_ONCE);
  return (
    <>
      {kept.map((part, index) =>
        part.source ? (
          <mark
            key={index}
            class={`segment segment-${part.source}`}
            title={`${sourceName(part)}${part.reference ? `: ${visible(part.reference)}` : ''}`}
          >
            <Visible text={part.text} />
          </mark>
        ) : (
          <Visible key={index} text={part.text} />
        ),
      )}
      {more > 0 && (
        <>
          … <ShowMore more={more} onShow={() => setWhole(true)} />
        </>
      )}
    </>
  );
}

const SHOWN = 120;

/** The values of a request, each once, with what they are made of: the same in words. */
export function Origins({ segments }: { segments: Segment[] }) {
  const seen = new Map<string, Segment>();
  for (const segment of segments) {
    if (!segment.source) continue;
    seen.set(JSON.stringify([segment.source, segment.reference, segment.text, segment.line]), segment);
  }
  if (seen.size === 0) return <p class="hint">Nothing is filled in: all of it stands in the definition.</p>;
  return (
    <table class="table origins" data-testid="preview-origins">
      <thead>
        <tr>
          <th scope="col">Value</th>
          <th scope="col">Comes from</th>
        </tr>
      </thead>
      <tbody>
        {[...seen].map(([id, segment]) => (
          <tr key={id}>
            <td class="mono isolate">
              <mark class={`segment segment-${segment.source ?? 'computed'}`}>
                {segment.text === '' ? '(empty)' : visible(shorten(segment.text))}
              </mark>
            </td>
            <td>
              {segment.reference && (
                <>
                  <code class="isolate">{visible(segment.reference)}</code>,{' '}
                </>
              )}
              {sourceName(segment)}
              {segment.masked && ' (hidden)'}
              {segment.file && segment.line ? (
                <>
                  ,{' '}
                  <a class="nowrap" href={definitionHref(segment.file, segment.line, segment.column)}>
                    line {segment.line}
                  </a>
                </>
              ) : null}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function shorten(text: string): string {
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text;
}
