// The values that references have now: of the chosen conversation, of the call typed in Try, and of the environment.
import { useCallback, useEffect, useMemo, useState } from 'preact/hooks';
import { type ConversationHead, api } from '../../api';
import type { ReferenceNote } from '../../components/editor';
import { cut, visibleJson } from '../../json';
import { actions, callsDone, conversationId, environment, remembered } from '../../state';
import { argumentsOf } from '../try/call';
import { type ReferenceValue, type ValueSources, valueOf } from './values';
import { boundNames } from './yaml-bind';

const MOST_SHOWN = 2_000;
const MOST_CONVERSATIONS = 100;

export interface Values {
  /** The conversations to choose from, the one of the tab first: for an agent, the one of Chat. */
  conversations: readonly string[];
  chosen: string;
  choose: (id: string) => void;
  of: (reference: string) => ReferenceValue | null;
  noteOf: (reference: string) => ReferenceNote | null;
}

/** A JSON text as a person may see it: nothing hidden in it, and not too long. */
export function shownJson(json: string): string {
  const short = cut(json, MOST_SHOWN);
  const lines = short.split('\n').map((line) => visibleJson(line).replaceAll('\\"', '"').replaceAll('\\\\', '\\'));
  return lines.join('\n') + (short.length < json.length ? '…' : '');
}

/** What the file defines by its name, if it is one of these. */
export interface Defined {
  action: string | null;
  agent: string | null;
}

/** `text` is that of the definition, as it is typed. */
export function useValues({ action, agent }: Defined, text: string): Values {
  const place = environment.value;
  const done = callsDone.value;
  const chat = agent === null ? null : remembered(`chat.${place}.${agent}`);
  const mine = chat ?? conversationId.value;
  const [others, setOthers] = useState<readonly ConversationHead[]>([]);
  const [picked, setPicked] = useState<string | null>(null);
  const [conversation, setConversation] = useState<{ id: string; text: string | null }>({ id: '', text: null });
  const [statics, setStatics] = useState<ValueSources['statics']>(null);
  const chosen = picked ?? mine;

  useEffect(() => {
    if (place === '') return;
    const abort = new AbortController();
    void (async () => {
      const known = await api.conversations(place, undefined, MOST_CONVERSATIONS, abort.signal).catch(() => null);
      if (abort.signal.aborted) return;
      setOthers(known?.conversations ?? []);
      // One that has not begun is not asked for.
      const there = known?.conversations.some(({ id }) => id === chosen) ?? false;
      const text = there ? await api.conversationText(chosen, place, abort.signal).catch(() => null) : null;
      if (!abort.signal.aborted) setConversation({ id: chosen, text });
    })();
    return () => abort.abort();
  }, [place, chosen, done]);

  // Every action that is served knows the static variables of the environment. One that is not served yet has no
  // definition to ask for.
  const served = actions.value ?? [];
  const asked = (served.find(({ name }) => name === action) ?? served[0])?.name;
  const readsStatics = text.includes('.static_variables');
  useEffect(() => {
    if (place === '' || asked === undefined || !readsStatics) return setStatics(null);
    const abort = new AbortController();
    api.actionDefinition(asked, place, abort.signal).then(
      (definition) => setStatics(definition.static_variables),
      () => abort.signal.aborted || setStatics(null),
    );
    return () => abort.abort();
  }, [place, asked, readsStatics]);

  const bound = useMemo(() => (action === null ? new Set<string>() : boundNames(text)), [action, text]);
  const typed = action === null ? null : argumentsOf(action);
  const known = conversation.id === chosen ? conversation.text : null;
  const of = useCallback(
    (reference: string) =>
      valueOf(reference, {
        conversation: known,
        conversationId: chosen,
        environment: place,
        arguments: typed,
        statics,
        bound,
      }),
    [known, chosen, place, typed, statics, bound],
  );
  const noteOf = useCallback(
    (reference: string): ReferenceNote | null => {
      const value = of(reference);
      if (value === null) return null;
      const title = value.note === null ? value.from : `${value.from}: ${value.note}`;
      return { title, text: value.json === null ? '(no value)' : shownJson(value.json) };
    },
    [of],
  );
  const ids = new Set([mine, ...(picked === null ? [] : [picked]), ...others.map(({ id }) => id)]);
  return { conversations: [...ids].filter((id) => id !== ''), chosen, choose: setPicked, of, noteOf };
}
