// The answer of the upstream, as it came, but for what the gateway hides.
import type { UpstreamResponse } from '../../api';
import { LongText } from '../../components/long-text';
import { JsonTree, type KnownOutput, type Pick } from '../../components/tree';
import { bytesText, visible } from '../../text';

interface UpstreamProps {
  response: UpstreamResponse;
  outputs: KnownOutput[];
  onPick: (pick: Pick) => void;
}

/** What the upstream says its answer is. */
export function contentTypeOf({ headers }: UpstreamResponse): string {
  return Object.entries(headers).find(([name]) => name.toLowerCase() === 'content-type')?.[1] ?? '';
}

export function UpstreamSection({ response, outputs, onPick }: UpstreamProps) {
  return (
    <section class="run-section" aria-label="What the upstream said" data-testid="upstream">
      <h3>What the upstream said</h3>
      <div class="run-facts">
        <span>HTTP {response.status}</span>
        <span>{bytesText(response.bytes)}</span>
        {response.masked.length > 0 && <span>{response.masked.length} hidden</span>}
      </div>
      <details class="options">
        <summary>Headers ({Object.keys(response.headers).length})</summary>
        <dl class="pairs">
          {Object.entries(response.headers).map(([name, value]) => (
            <>
              <dt class="mono isolate">{visible(name)}</dt>
              <dd class="mono isolate">
                <LongText text={value} />
              </dd>
            </>
          ))}
        </dl>
      </details>
      {response.body === '' ? (
        <p class="hint">No body.</p>
      ) : (
        <JsonTree
          text={response.body}
          label="What the upstream said"
          masked={response.masked}
          outputs={outputs}
          fileName="upstream.json"
          contentType={contentTypeOf(response)}
          onPick={response.json ? onPick : undefined}
        />
      )}
    </section>
  );
}
