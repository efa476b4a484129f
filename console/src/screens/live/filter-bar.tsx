import { visible } from '../../text';
import type { Outcome } from './feed';
import type { Filter } from './filter';
import { OUTCOMES } from './outcomes';

interface FilterBarProps {
  filter: Filter;
  actions: readonly string[];
  change: (filter: Filter) => void;
  shown: number;
  all: number;
}

const outcomes: readonly Outcome[] = Object.keys(OUTCOMES).filter((name): name is Outcome => name in OUTCOMES);

export function FilterBar({ filter, actions, change, shown, all }: FilterBarProps) {
  const names = filter.action === '' || actions.includes(filter.action) ? actions : [...actions, filter.action];
  return (
    <div class="filter-bar" role="group" aria-label="Filter">
      <select
        class="select"
        aria-label="Action"
        value={filter.action}
        onChange={(event) => change({ ...filter, action: event.currentTarget.value })}
        data-testid="filter-action"
      >
        <option value="">All actions</option>
        {names.map((name) => (
          <option key={name} value={name}>
            {visible(name)}
          </option>
        ))}
      </select>
      <select
        class="select"
        aria-label="Outcome"
        value={filter.outcome}
        onChange={(event) => {
          const chosen = outcomes.find((outcome) => outcome === event.currentTarget.value);
          change({ ...filter, outcome: chosen ?? '' });
        }}
        data-testid="filter-outcome"
      >
        <option value="">All outcomes</option>
        {outcomes.map((outcome) => (
          <option key={outcome} value={outcome}>
            {OUTCOMES[outcome].word}
          </option>
        ))}
      </select>
      <span class="hint" data-testid="filter-count">
        {shown === all ? `${all} entries` : `${shown} of ${all} entries`}
      </span>
    </div>
  );
}
