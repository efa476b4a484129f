// Asks before somebody leaves what is not saved: for another place of the console, or for another page.
import { useEffect, useRef, useState } from 'preact/hooks';
import { go, guardRoute } from '../../route';

export interface Guard {
  /** Where somebody wants to go; null where nobody does. */
  wanted: string | null;
  stay: () => void;
  leave: () => void;
}

/** The fragment without its query: another line of the same file is no other place. */
function placeOf(hash: string): string {
  return hash.split('?')[0] ?? '';
}

export function useGuard(modified: () => boolean): Guard {
  const [wanted, setWanted] = useState<string | null>(null);
  const open = useRef(false);

  useEffect(() => {
    let here = location.hash;
    const free = guardRoute((there) => {
      if (open.current || !modified() || placeOf(there) === placeOf(here)) {
        here = there;
        return true;
      }
      history.pushState(null, '', here);
      setWanted(there);
      return false;
    });
    const onUnload = (event: BeforeUnloadEvent): void => {
      if (modified()) event.preventDefault();
    };
    addEventListener('beforeunload', onUnload);
    return () => {
      free();
      removeEventListener('beforeunload', onUnload);
    };
  }, []);

  return {
    wanted,
    stay: () => setWanted(null),
    leave: () => {
      if (wanted === null) return;
      open.current = true;
      setWanted(null);
      go(wanted);
    },
  };
}
