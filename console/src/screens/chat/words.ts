// What happens in a turn, in words.
import { msText } from '../../text';
import type { CallEntry, Part, RoundPart, Turn } from './turn';

/** What a text is that the model has not chosen; nothing for the model's. */
export function sourceWords(source: string): string | null {
  switch (source) {
    case 'model':
      return null;
    case 'start':
      return 'start filler';
    case 'delayed':
      return 'delayed filler';
    case 'failure':
      return 'failure sentence';
    case 'handover':
      return 'handover message';
    case 'greeting':
      return 'greeting';
    default:
      return source === '' ? 'unknown source' : source;
  }
}

/** A time since the beginning of a turn: `+1.2 s`. */
export function sinceText(ms: number | null): string {
  return ms === null ? '' : `+${(Math.max(0, ms) / 1000).toFixed(1)} s`;
}

export function countText(count: number, one: string): string {
  return `${count} ${one}${count === 1 ? '' : 's'}`;
}

/** The head of a round: which one, and what it calls. */
export function roundWords(part: RoundPart): string {
  const what = part.round === null ? 'Put off in the turn before' : `Round ${part.round}`;
  return part.calls.length === 0 ? what : `${what}: ${countText(part.calls.length, 'call')}`;
}

/** How a call stands, in one word or two. */
export function callWords(call: CallEntry): string {
  if (!call.isEnded) return 'under way';
  return call.status ?? 'not executed';
}

/** How a turn ended, where there is something to say beside what was said. */
export function endWords(turn: Turn): string[] {
  const words: string[] = [];
  if (turn.state === 'stopped') words.push(turn.endMs === null ? 'Stopped.' : `Stopped after ${msText(turn.endMs)}.`);
  if (turn.finish === 'length') words.push('Cut off at the limit of tokens.');
  if (turn.state === 'done' && turn.parts.length === 0 && turn.error === null) words.push('The agent said nothing.');
  return words;
}

/** Time and tokens of a turn that came to its end. */
export function costWords(turn: Turn): string | null {
  if (turn.state !== 'done') return null;
  const parts: string[] = [];
  if (turn.endMs !== null) parts.push(msText(turn.endMs));
  if (turn.tokens) parts.push(`${turn.tokens.input} tokens in, ${turn.tokens.output} out`);
  return parts.length > 0 ? parts.join(' · ') : null;
}

/** The texts of a turn that will not grow any more, and how it ended. */
export function told(turn: Turn): string[] {
  const isOver = turn.state !== 'running';
  const whole = isOver ? turn.parts : turn.parts.filter((part, at) => at < turn.parts.length - 1 || !grows(part));
  const texts = whole.flatMap((part) => {
    if (part.kind === 'text') return [part.text.trim()];
    if (part.kind === 'handover') return [`Handed over${part.to === '' ? '' : ` to ${part.to}`}.`];
    return [];
  });
  texts.push(...endWords(turn));
  if (turn.error) texts.push(turn.error.message);
  return texts.filter((text) => text !== '');
}

function grows(part: Part): boolean {
  return part.kind === 'text' && part.source === 'model';
}
