// Live: the conversations of the environment, and the feed of one of them as it grows.
import { route } from '../../route';
import { environment } from '../../state';
import { ConversationList } from './conversations';
import { ConversationView } from './conversation';

export default function LiveScreen() {
  const name = environment.value;
  const id = route.value.path[1] ?? '';
  if (name === '') return <p class="hint">Asking the gateway …</p>;
  return (
    <section class={id === '' ? 'live' : 'live live-chosen'} data-testid="live-screen" aria-labelledby="live-title">
      <h1 id="live-title" class="visually-hidden">
        Live
      </h1>
      <ConversationList key={name} environment={name} chosen={id} />
      {id === '' ? (
        <p class="live-empty hint">Choose a conversation to see what happened in it.</p>
      ) : (
        <ConversationView key={`${name}/${id}`} environment={name} id={id} />
      )}
    </section>
  );
}
