// How much of the conversations of a tab is kept, and how it is read again.
import { cut } from '../../json';
import type { Place } from './chat';
import type { CallEntry, Part, Turn } from './turn';

export interface KeptChat extends Place {
  usedAt: number;
  turns: Turn[];
}

export const MOST_CHATS = 20;
export const MOST_TURNS = 60;
const MOST_CHARACTERS = 500_000;
const LONGEST_TEXT = 20_000;
const LONGEST_VALUE = 2_000;

const LEFT = 'The page was left before the answer had ended. Calls may have been made.';

function shorter(text: string, most: number): string {
  return text.length > most ? `${cut(text, most)}… (the rest is not kept)` : text;
}

function keptCall(call: CallEntry): CallEntry {
  return {
    ...call,
    // No JSON any more where it is cut; it is only shown.
    arguments: call.arguments === null ? null : shorter(call.arguments, LONGEST_VALUE),
    told: call.told === null ? null : shorter(call.told, LONGEST_VALUE),
  };
}

function keptPart(part: Part): Part {
  switch (part.kind) {
    case 'text':
      return { ...part, text: shorter(part.text, LONGEST_TEXT) };
    case 'round':
      return { ...part, calls: part.calls.map(keptCall) };
    case 'passed':
      return { ...part, arguments: shorter(part.arguments, LONGEST_VALUE) };
    case 'handover':
      return part;
  }
}

function keptTurn(turn: Turn): Turn {
  const kept = { ...turn, said: shorter(turn.said, LONGEST_TEXT), parts: turn.parts.map(keptPart) };
  if (turn.state !== 'running') return kept;
  return { ...kept, state: 'broken', error: { code: '', message: LEFT } };
}

/** The conversations as they are kept, the last used first: the newest turns of each, and as many as there is room for. */
export function bounded(chats: readonly KeptChat[]): KeptChat[] {
  const kept: KeptChat[] = [];
  let room = MOST_CHARACTERS;
  for (const { environment, agent, id, usedAt, turns } of chats.filter((chat) => chat.turns.length > 0).slice(0, MOST_CHATS)) {
    const newest: Turn[] = [];
    for (const turn of turns.slice(-MOST_TURNS).reverse()) {
      const small = keptTurn(turn);
      room -= JSON.stringify(small).length;
      if (room < 0) break;
      newest.unshift(small);
    }
    if (newest.length > 0) kept.push({ environment, agent, id, usedAt, turns: newest });
    if (room < 0) break;
  }
  return kept;
}

/** Reads what `bounded` gave; nothing of what is not that. */
export function readAll(text: string | null): KeptChat[] {
  try {
    const value: unknown = JSON.parse(text ?? '[]');
    return Array.isArray(value) ? value.filter(isChat) : [];
  } catch {
    return [];
  }
}

function isChat(value: unknown): value is KeptChat {
  const chat = value as Partial<KeptChat> | null;
  return (
    typeof chat?.environment === 'string' &&
    typeof chat.agent === 'string' &&
    typeof chat.id === 'string' &&
    typeof chat.usedAt === 'number' &&
    Array.isArray(chat.turns)
  );
}
