// How a call of the feed ended, in words.
import type { Outcome } from './feed';

export const OUTCOMES: Record<Outcome, { icon: string; word: string }> = {
  success: { icon: '✓', word: 'Success' },
  upstream_error: { icon: '✕', word: 'Upstream error' },
  no_answer: { icon: '?', word: 'No answer' },
  not_sent: { icon: '–', word: 'Not sent' },
  replay: { icon: '↺', word: 'Replay' },
};
