// What happens in a conversation beside calls, on one line each.
import { isRecord, type EventRow, type FeedEvent, type GapRow } from './feed';
import { dataOf, ValueView } from './value';
import { VariableChange } from './variable-change';
import { timeText, visible } from '../../text';

export function EventLine({ row }: { row: EventRow }) {
  const { event } = row;
  return (
    <li class="row-event" data-key={row.key} data-testid="event-row" data-type={event.type}>
      <time dateTime={event.at} title={event.at}>
        {timeText(event.at)}
      </time>
      <div class="row-event-said">
        <Said event={event} />
      </div>
    </li>
  );
}

function Said({ event }: { event: FeedEvent }) {
  const { data } = event;
  switch (event.type) {
    case 'conversation_started':
      return (
        <>
          <strong>The conversation began</strong> <span class="hint">{data['by'] === 'tool_call' ? 'with a call' : 'by the caller'}</span>
          <State state={data['current_state']} />
        </>
      );
    case 'ended':
      return (
        <>
          <strong>The conversation ended</strong> {typeof data['by'] === 'string' && <span class="hint">by {visible(data['by'])}</span>}
        </>
      );
    case 'variable_set':
      return 'name' in data || 'more' in data ? (
        <VariableChange event={event} />
      ) : (
        <State state={data['current_state']} />
      );
    default:
      return (
        <>
          <strong>{visible(event.type)}</strong> <ValueView node={dataOf(event)} />
        </>
      );
  }
}

function State({ state }: { state: unknown }) {
  if (typeof state !== 'string') return null;
  return (
    <span>
      State: <span class="badge">{visible(state)}</span>
    </span>
  );
}

export function GapLine({ row }: { row: GapRow }) {
  return (
    <li class="row-gap" data-key={row.key} data-testid="gap-row">
      {row.anew ? 'The conversation has begun anew.' : 'Events before these have been given up: the newest 500 are kept.'}
    </li>
  );
}

/** Who set a variable. */
export function sourceText(source: unknown): string {
  if (!isRecord(source)) return '';
  if (source['by'] === 'caller') return 'caller';
  const action = source['action'];
  const id = source['tool_call_id'];
  return [typeof action === 'string' ? action : 'call', typeof id === 'string' ? `(${id})` : ''].join(' ').trim();
}
