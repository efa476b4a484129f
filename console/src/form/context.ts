// What every field of a form needs.
import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import type { SchemaObject } from '../types';
import type { Draft, Entry } from './draft';
import type { Scope } from './shape';

export interface FormState {
  root: SchemaObject;
  draft: Draft;
  scope: Scope;
  /** Sentences by the pointer of their field. */
  errors: Map<string, string[]>;
  set: (pointer: string, change: Partial<Entry>) => void;
  replace: (draft: Draft) => void;
}

export const FormContext = createContext<FormState | null>(null);

export function useForm(): FormState {
  const form = useContext(FormContext);
  if (!form) throw new Error('A field stands outside a form.');
  return form;
}

/** The id of the control of a field; any character may be in a pointer. */
export function controlId(pointer: string): string {
  return `argument${encodeURIComponent(pointer).replaceAll('%', '_')}`;
}
