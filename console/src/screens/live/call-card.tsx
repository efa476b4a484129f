// A call of the feed: one line, and on request all that is known of it.
import { Component } from 'preact';
import { msText, timeText, visible } from '../../text';
import { CallDetails } from './call-details';
import type { CallRow } from './feed';
import { OUTCOMES } from './outcomes';

interface CallCardProps {
  row: CallRow;
  isOpen: boolean;
  toggle: (key: string) => void;
  environment: string;
  conversation: string;
}

export class CallCard extends Component<CallCardProps> {
  override shouldComponentUpdate(next: CallCardProps): boolean {
    return next.row !== this.props.row || next.isOpen !== this.props.isOpen;
  }

  override render({ row, isOpen, toggle, environment, conversation }: CallCardProps) {
    const { icon, word } = OUTCOMES[row.outcome];
    const details = `call-${row.key}`;
    return (
      <li class={`row-call outcome-${row.outcome}`} data-key={row.key} data-testid="call-card" data-outcome={row.outcome}>
        <button
          type="button"
          class="call-head"
          aria-expanded={isOpen}
          aria-controls={isOpen ? details : undefined}
          onClick={() => toggle(row.key)}
          data-testid="call-toggle"
        >
          <time dateTime={row.at} title={row.at}>
            {timeText(row.at)}
          </time>
          <span class="outcome">
            <span aria-hidden="true">{icon}</span> {word}
          </span>
          <bdi class="call-name mono">{visible(row.name) || '(name unknown)'}</bdi>
          <span class="call-about">
            {row.source !== null && <span class="badge badge-accent">{visible(row.source)}</span>}
            {row.statusCode !== null && <span>{row.statusCode}</span>}
            {row.errorCode !== null && <span class="mono">{visible(row.errorCode)}</span>}
            {row.retries > 0 && <span>{row.retries === 1 ? '1 retry' : `${row.retries} retries`}</span>}
            {row.durationMs !== null && <span class="call-duration">{msText(row.durationMs)}</span>}
          </span>
        </button>
        {isOpen && (
          <div id={details} class="call-details">
            <CallDetails row={row} environment={environment} conversation={conversation} />
          </div>
        )}
      </li>
    );
  }
}
