// Values of a schema (`enum`, `const`, `default`) as JSON, with all the digits of their numbers.
import type { Json } from '../types';

/** A number that a double cannot hold, as it was written. */
export class Digits {
  constructor(readonly raw: string) {}

  /** About this number, for comparisons. */
  valueOf(): number {
    return Number(this.raw);
  }
}

/** Reads JSON; whole numbers that a double cannot hold become `Digits`, where the browser tells how they were written. */
export function parseKeepingDigits<T>(text: string): T {
  const revive = (_name: string, value: unknown, context?: { source?: string }): unknown => {
    const source = context?.source;
    if (typeof value !== 'number' || source === undefined || !/^-?\d+$/.test(source)) return value;
    return Number.isSafeInteger(value) ? value : new Digits(source);
  };
  return JSON.parse(text, revive) as T;
}

export function jsonText(value: Json | Digits): string {
  if (value instanceof Digits) return value.raw;
  if (Array.isArray(value)) return `[${value.map(jsonText).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    return `{${Object.entries(value)
      .map(([name, member]) => `${JSON.stringify(name)}:${jsonText(member)}`)
      .join(',')}}`;
  }
  return JSON.stringify(value);
}

/** The type of a value, as JSON Schema names it. */
export function typeOf(value: Json | Digits): string {
  if (value instanceof Digits) return 'integer';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return typeof value;
}
