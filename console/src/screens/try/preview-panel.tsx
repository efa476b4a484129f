// The request as it would be sent, with the origin of each value. It sends nothing.
import type { CallError, Preview, Segment } from '../../api';
import { CopyButton } from '../../components/copy';
import { Origins, Segments } from '../../components/segments';
import { LongText } from '../../components/long-text';
import { definitionHref } from '../../route';
import { visible } from '../../text';
import { ready } from './call';
import { asking, previewed } from './preview';

export function PreviewPanel() {
  const preview = previewed.value;
  const unreadable = ready.value.call === null;
  const stale = asking.value || unreadable;
  return (
    <section class="panel" aria-labelledby="preview-heading" aria-busy={asking.value} data-testid="preview">
      <div class="panel-head">
        <h2 id="preview-heading">Preview</h2>
        <span class="hint">{unreadable ? 'Fix the JSON to see the preview.' : 'Nothing is sent from the preview.'}</span>
      </div>
      <div class={stale ? 'panel-body stack preview-stale' : 'panel-body stack'}>
        {!unreadable && !preview && <p class="hint">Asking the gateway…</p>}
        {!unreadable && preview?.failed && <p class="notice notice-error">{visible(preview.failed)}</p>}
        {!unreadable && preview?.answer?.error && <PreviewError error={preview.answer.error} />}
        {preview?.answer?.request && <Request preview={preview.answer} />}
      </div>
    </section>
  );
}

function PreviewError({ error }: { error: CallError }) {
  const missing = error.missing_all ?? (error.missing ? [error.missing] : []);
  return (
    <div
      class={`notice ${error.code === 'invalid_arguments' ? 'notice-warn' : 'notice-error'} stack`}
      data-testid="preview-error"
    >
      <p>
        <span class={error.code === 'invalid_arguments' ? 'badge badge-warn' : 'badge badge-error'}>
          {visible(error.code)}
        </span>{' '}
        <span class="isolate">{visible(error.message)}</span>
      </p>
      {missing.length > 0 && (
        <ul class="stack" aria-label="Values that are missing" data-testid="preview-missing">
          {missing.map((reference) => (
            <li key={reference}>
              <mark class="segment segment-missing mono isolate">{visible(reference)}</mark> <span>has no value.</span>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

/** The parts of a request; a gateway that does not say where values come from gives plain texts. */
function partsOf(preview: Preview): { url: Segment[]; headers: [string, Segment[]][]; body: Segment[] | null } {
  const { request, parts } = preview;
  const plain = (text: string): Segment[] => [{ text }];
  const headers = Object.entries(request?.headers ?? {}).map(([name, value]): [string, Segment[]] => [
    name,
    parts && Object.hasOwn(parts.headers, name) ? (parts.headers[name] ?? plain(value)) : plain(value),
  ]);
  const body = request?.body;
  const bodyText =
    body === null || body === undefined ? null : typeof body === 'string' ? body : JSON.stringify(body, null, 2);
  return {
    url: parts?.url ?? plain(request?.url ?? ''),
    headers,
    body: bodyText === null ? null : (parts?.body ?? plain(bodyText)),
  };
}

function Request({ preview }: { preview: Preview }) {
  const request = preview.request;
  if (!request) return null;
  if (request.method === '' && request.url === '') return <p class="hint">This action sends no request.</p>;
  const { url, headers, body } = partsOf(preview);
  return (
    <>
      <p class="code" data-testid="preview-request">
        <strong data-testid="preview-method">{visible(request.method)}</strong>{' '}
        <span data-testid="preview-url">
          <Segments parts={url} />
        </span>
      </p>
      <div class="code" data-testid="preview-headers">
        {headers.map(([name, value]) => (
          <div key={name}>
            <span class="header-name">{visible(name)}</span>: <Segments parts={value} />
          </div>
        ))}
      </div>
      {body && (
        <pre class="code code-tall" tabIndex={0} aria-label="Body of the request" data-testid="preview-body">
          <Segments parts={body} />
        </pre>
      )}
      {preview.parts && (
        <>
          <h3>Where the values come from</h3>
          <Origins segments={[...url, ...headers.flatMap(([, value]) => value), ...(body ?? [])]} />
        </>
      )}
      <Branches preview={preview} />
      <Curl preview={preview} />
    </>
  );
}

function Branches({ preview }: { preview: Preview }) {
  if (!preview.branches?.length) return null;
  return (
    <>
      <h3>Branches</h3>
      <ul class="taken-branches" data-testid="preview-branches">
        {preview.branches.map((branch, index) => (
          <li key={index}>
            <span class={branch.taken ? 'badge badge-ok' : 'badge'}>{branch.taken ? 'taken' : 'not taken'}</span>
            <code class="isolate">{visible(branch.condition)}</code>
            <a href={definitionHref(branch.file, branch.line, branch.column)}>line {branch.line}</a>
          </li>
        ))}
      </ul>
    </>
  );
}

function Curl({ preview }: { preview: Preview }) {
  if (!preview.curl) return null;
  const credentials = preview.credentials ?? [];
  return (
    <details class="options">
      <summary data-testid="curl">As a curl command</summary>
      <div class="stack">
        <pre class="code" data-testid="preview-curl">
          <LongText text={preview.curl} most={20_000} />
        </pre>
        <div class="row">
          <CopyButton text={preview.curl} label="Copy" what="the curl command" testid="copy-curl" />
          {credentials.length > 0 && <span class="hint">Set these shell variables before you run it:</span>}
        </div>
        {credentials.length > 0 && (
          <dl class="pairs">
            {credentials.map(({ variable, meaning }) => (
              <>
                <dt class="mono">{visible(variable)}</dt>
                <dd>{visible(meaning)}</dd>
              </>
            ))}
          </dl>
        )}
      </div>
    </details>
  );
}
