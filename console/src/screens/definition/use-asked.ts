// An answer of the gateway that a part of the screen shows.
import { useEffect, useState } from 'preact/hooks';
import { errorText, isAbort } from '../../http';

export type Asked<T> = { state: 'asking' } | { state: 'there'; value: T } | { state: 'failed'; why: string };

/** Asks once for each `key`. What was there is shown until another answer comes, unless the key begins otherwise. */
export function useAsked<T>(ask: (signal: AbortSignal) => Promise<T>, key: string): Asked<T> {
  const [asked, setAsked] = useState<Asked<T>>({ state: 'asking' });
  useEffect(() => {
    const abort = new AbortController();
    ask(abort.signal).then(
      (value) => abort.signal.aborted || setAsked({ state: 'there', value }),
      (error: unknown) =>
        isAbort(error) || abort.signal.aborted || setAsked({ state: 'failed', why: errorText(error) }),
    );
    return () => abort.abort();
  }, [key]);
  return asked;
}
