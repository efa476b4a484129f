// Asks the gateway what it thinks of a text, a moment after the last key.
import { useEffect, useState } from 'preact/hooks';
import { ApiError, api } from '../../api';
import { errorText, isAbort } from '../../http';
import type { FileStore } from './file-store';

const AFTER_MS = 300;

/** Puts the problems into the store; gives why they are not known, where that is so. */
export function useCheck(store: FileStore, file: string): string | null {
  const ready = store.state.value === 'ready';
  const text = store.text.value;
  const version = store.base.value?.version;
  const [failed, setFailed] = useState<string | null>(null);
  useEffect(() => {
    if (!ready) return;
    const abort = new AbortController();
    const timer = setTimeout(
      () => {
        api.check(file, store.fileText(), abort.signal).then(
          ({ problems }) => {
            if (abort.signal.aborted) return;
            store.problems.value = problems;
            setFailed(null);
          },
          (error: unknown) => {
            // A gateway without this route is told by the Check screen; what cannot be reached, by the banner.
            if (isAbort(error) || abort.signal.aborted || (error instanceof ApiError && error.status === 0)) return;
            setFailed(errorText(error));
          },
        );
      },
      store.modified.peek() ? AFTER_MS : 0,
    );
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [store, file, ready, text, version]);
  return failed;
}
