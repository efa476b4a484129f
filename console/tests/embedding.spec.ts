// How the gateway serves the page: addresses, headers, caching, and below the prefix of a proxy.
import http from 'node:http';
import { call, uniqueId } from './support/calls';
import { expect, test } from './support/fixtures';
import { startProxy } from './support/proxy';

test.skip(Boolean(process.env.CONSOLE_DIST), 'these look at what the program itself serves');

/** An answer as it comes, redirects not followed; `headers` may hold a Host, which `fetch` does not send. */
function ask(url: string, headers: http.OutgoingHttpHeaders = {}): Promise<http.IncomingMessage & { text: string }> {
  return new Promise((resolve, reject) => {
    const request = http.request(url, { headers, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (text += chunk));
      response.on('end', () => resolve(Object.assign(response, { text })));
    });
    request.on('error', reject);
    request.end();
  });
}

/** The names of the files that the page loads first. */
function assetsOf(index: string): string[] {
  return [...index.matchAll(/(?:src|href)="([^":]+\.(?:js|css))"/g)].map((match) => match[1] ?? '');
}

test('the root leads to the console, in a way that survives a prefix', async ({ demo }) => {
  for (const place of ['/', '/console']) {
    const answer = await ask(`${demo.origin}${place}`);
    expect(answer.statusCode).toBeGreaterThanOrEqual(301);
    expect(answer.statusCode).toBeLessThan(309);
    expect(answer.headers.location).toBe('console/');
  }
});

test('the page is asked about each time, and says nothing twice', async ({ demo }) => {
  const page = await ask(demo.consoleUrl);
  expect(page.statusCode).toBe(200);
  expect(page.headers['cache-control']).toBe('no-cache');
  const etag = page.headers.etag;
  expect(etag).toBeTruthy();
  const again = await ask(demo.consoleUrl, { 'if-none-match': etag });
  expect(again.statusCode).toBe(304);
  expect(again.text).toBe('');
});

test('the files of the page are kept for good, under names that change with them', async ({ demo }) => {
  const assets = assetsOf((await ask(demo.consoleUrl)).text);
  expect(assets.length).toBeGreaterThanOrEqual(2);
  for (const asset of assets) {
    expect(asset).toMatch(/^[a-z-]+-[A-Z0-9]{8}\.(js|css)$/);
    const answer = await ask(`${demo.consoleUrl}${asset}`);
    expect(answer.statusCode).toBe(200);
    expect(answer.headers['cache-control']).toContain('immutable');
    expect(answer.headers['content-type']).toMatch(asset.endsWith('.css') ? /^text\/css/ : /^(text|application)\/javascript/);
  }
});

test('a file that is not there is not the page', async ({ demo }) => {
  for (const place of ['gone-ABCDEFGH.js', 'gone.css', 'nowhere', '..%2fCargo.toml', '%2e%2e/v1/environments/..%00']) {
    const answer = await ask(`${demo.consoleUrl}${place}`);
    expect(answer.statusCode, place).toBeGreaterThanOrEqual(400);
    expect(answer.text, place).not.toContain('<html');
  }
});

test('the page may load nothing but its own files', async ({ demo }) => {
  const index = await ask(demo.consoleUrl);
  for (const place of ['', ...assetsOf(index.text)]) {
    const { headers } = await ask(`${demo.consoleUrl}${place}`);
    const policy = String(headers['content-security-policy']);
    expect(policy.split(';').map((rule) => rule.trim()).sort()).toEqual(
      [
        "base-uri 'none'",
        "connect-src 'self'",
        "default-src 'none'",
        "font-src 'self'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "img-src 'self' data:",
        "script-src 'self'",
        "style-src 'self'",
      ].sort(),
    );
    expect(headers['x-content-type-options']).toBe('nosniff');
    expect(headers['referrer-policy']).toBe('no-referrer');
    expect(headers['cross-origin-opener-policy']).toBe('same-origin');
  }
  expect(index.text).not.toMatch(/<script(?![^>]*\ssrc=)/);
  expect(index.text).not.toMatch(/<style|\sstyle=|\son[a-z]+=|https?:\/\/(?!www\.w3\.org)/);
});

test('under a foreign name there is no page', async ({ demo }) => {
  for (const place of ['/', '/console/']) {
    const answer = await ask(`${demo.origin}${place}`, { host: 'evil.example' });
    expect(answer.statusCode, place).toBe(403);
    expect(answer.text).not.toContain('<html');
  }
});

test('the console works below the prefix of a proxy', async ({ demo, page, guard }) => {
  const proxy = await startProxy({ target: demo.origin, prefix: '/gate' });
  const conversation = uniqueId('prefix');
  await call(demo, { name: 'store_hours', conversation_id: conversation, tool_call_id: 'one' });
  await page.goto(`${proxy.origin}/gate/`);
  await expect(page).toHaveURL(/\/gate\/console\/(#.*)?$/);
  await expect(page.getByTestId('env-select')).toHaveValue('development');
  for (const screen of ['live', 'check', 'definition', 'health', 'try']) {
    await page.getByTestId(`nav-${screen}`).click();
    await expect(page.getByTestId(`nav-${screen}`)).toHaveAttribute('aria-current', 'page');
    await expect(page.getByRole('main').getByRole('heading').first()).toBeVisible();
  }
  await page.getByTestId('nav-live').click();
  await page.getByTestId('conversation').filter({ hasText: conversation }).click();
  await expect(page.getByTestId('call-card')).toHaveCount(1);
  expect(proxy.requests.filter((request) => !/^[A-Z]+ \/gate\//.test(request))).toEqual([]);
  // The proxy goes while the stream is open.
  guard.allowOutage();
  await proxy.stop();
});
