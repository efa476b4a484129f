// How the stream of a feed is doing.
import type { FollowState } from './follow';

export function StreamState({ state, again }: { state: FollowState; again: () => void }) {
  return (
    <span class={`stream stream-${state.state}`} role="status" data-testid="stream-state" data-state={state.state}>
      <span class="stream-dot" aria-hidden="true" /> {words(state)}
      {state.state === 'over' && (
        <button type="button" class="button button-small" onClick={again} data-testid="stream-again">
          Look again
        </button>
      )}
    </span>
  );
}

function words(state: FollowState): string {
  switch (state.state) {
    case 'connecting':
      return 'Connecting';
    case 'following':
      return 'Following';
    case 'paused':
      return 'Paused while the tab is hidden';
    case 'waiting':
      return `${state.why} Again in ${state.seconds} s.`;
    case 'over':
      return state.why;
  }
}
