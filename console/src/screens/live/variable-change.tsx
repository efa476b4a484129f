import { isRecord, type FeedEvent } from './feed';
import { Marks } from './marks';
import { dataOf, memberOf, ValueView } from './value';
import { visible } from '../../text';

/** What an event says of one variable: set, cleared or refused; or that there were more of them. */
export function VariableChange({ event }: { event: FeedEvent }) {
  const { data } = event;
  if (typeof data['more'] === 'number') return <span>{data['more']} more variables changed.</span>;
  const name = typeof data['name'] === 'string' ? visible(data['name']) : '';
  const source = isRecord(data['source']) ? data['source'] : {};
  if (typeof data['refused'] === 'string') {
    return (
      <span>
        <code>{name}</code> was not set: {visible(data['refused'])}
      </span>
    );
  }
  if (data['unset'] === true) {
    return (
      <span>
        <code>{name}</code> was cleared
      </span>
    );
  }
  return (
    <span class="variable-change">
      <code>{name}</code> = <ValueView node={memberOf(dataOf(event), 'value')} />{' '}
      <Marks sensitive={data['sensitive'] === true} exposed={data['exposed'] === true} />
      {source['by'] === 'caller' && <span class="hint">by the caller</span>}
    </span>
  );
}
