// Says that a key does not suffice, and offers to use another one.
import { asksForKey } from './keyprompt';

export function AdminNeeded({ testid }: { testid?: string }) {
  return (
    <div class="notice notice-error row" role="alert" data-testid={testid}>
      <p>
        You need an admin key (<code>admin = true</code>) to see this.
      </p>
      <button
        type="button"
        class="button button-small"
        onClick={() => {
          asksForKey.value = true;
        }}
        data-testid="use-another-key"
      >
        Use another key
      </button>
    </div>
  );
}
