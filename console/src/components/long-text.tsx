// A text of others that may be long: its beginning, and the rest when it is asked for.
import { useState } from 'preact/hooks';
import { cut } from '../json/index';
import { Visible } from './text-view';

export function LongText({ text, most = 400 }: { text: string; most?: number }) {
  const [whole, setWhole] = useState(false);
  if (whole || text.length <= most) return <Visible text={text} />;
  return (
    <>
      <Visible text={cut(text, most)} />… <ShowMore more={text.length - most} onShow={() => setWhole(true)} />
    </>
  );
}

export function ShowMore({ more, onShow }: { more: number; onShow: () => void }) {
  return (
    <button type="button" class="button-link" onClick={onShow} data-testid="show-more">
      Show more ({more} characters)
    </button>
  );
}
