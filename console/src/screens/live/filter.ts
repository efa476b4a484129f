import type { Outcome, Row } from './feed';

export interface Filter {
  /** An action's name, or '' for all. */
  action: string;
  outcome: Outcome | '';
}

export const noFilter: Filter = { action: '', outcome: '' };

/** The rows that a filter leaves. What belongs to no call is shown only while nothing is filtered; gaps always are. */
export function filterRows(rows: readonly Row[], filter: Filter): readonly Row[] {
  if (filter.action === '' && filter.outcome === '') return rows;
  return rows.filter((row) => {
    if (row.kind === 'gap') return true;
    if (row.kind !== 'call') return false;
    if (filter.action !== '' && row.name !== filter.action) return false;
    return filter.outcome === '' || row.outcome === filter.outcome;
  });
}

/** The names of the actions that were called, sorted. */
export function actionsIn(rows: readonly Row[]): string[] {
  const names = new Set<string>();
  for (const row of rows) if (row.kind === 'call' && row.name !== '') names.add(row.name);
  return [...names].sort();
}
