// Health: what the gateway says of itself.
import type { Status } from '../src/types';
import { call, orderStatus, uniqueId } from './support/calls';
import { expect, test, type Page } from './support/fixtures';

test('calls and errors of a running gateway are counted', async ({ demo, page, visit }) => {
  const id = uniqueId('health');
  await orderStatus(demo, id, 'one');
  await orderStatus(demo, id, 'two', 'ORD-50300');
  await visit(demo, '#/health');
  await expect(page.getByTestId('health-gateway')).toContainText(/\d+ of \d+/);
  const row = page.getByTestId('health-development').getByTestId('health-action-get_order_status');
  await expect(row).toBeVisible();
  await expect(row.getByRole('img')).toHaveAttribute('aria-label', /^Calls by duration\. up to /);
  await expect(row).toContainText('%');
  await expect(page.getByTestId('connection-orders').first()).toContainText('Healthy (breaker closed)');
  const error = page.getByTestId('latest-error').filter({ hasText: id });
  await expect(error).toContainText('upstream_error');
  await error.getByTestId('error-conversation').click();
  await expect(page).toHaveURL(new RegExp(`#/live/development/${id}$`));
  await expect(page.getByTestId('call-card')).toHaveCount(2);
});

test('numbers move while the screen is open', async ({ demo, page, visit }) => {
  await call(demo, { name: 'store_hours' });
  await visit(demo, '#/health');
  const calls = page.getByTestId('health-development').getByTestId('health-action-store_hours').locator('td').first();
  const before = Number(await calls.textContent());
  await call(demo, { name: 'store_hours' });
  await expect(calls).toHaveText(String(before + 1));
});

const inDays = (days: number) => new Date(Date.now() + days * 86_400_000 + 3_600_000).toISOString();

async function answerWith(page: Page, status: unknown): Promise<void> {
  await page.route(/\/v1\/status$/, (route) => route.fulfill({ json: status }));
}

test('what needs attention is said in words', async ({ demo, page, visit }) => {
  const status: Status = {
    version: '9.9.9',
    started_at: inDays(-3),
    loaded_at: inDays(-1),
    edit: false,
    admin: true,
    reload: { at: inDays(-1), outcome: 'refused', errors: 2, warnings: 0 },
    calls: { in_flight: 3, most: 1024 },
    store: { backend: 'memory', warnings: ['a restart forgets all'] },
    environments: [
      {
        name: 'development',
        connections: [
          { name: 'soon', breaker: 'open', running: 2, waiting: 7, max_concurrent: 2, certificate: { expires_at: inDays(5) } },
          { name: 'later', breaker: 'half_open', running: 0, waiting: 0, max_concurrent: null, certificate: { expires_at: inDays(90) } },
          { name: 'past', breaker: 'closed', running: 0, waiting: 0, max_concurrent: null, certificate: { expires_at: inDays(-2) } },
        ],
        connectors: [
          { name: 'given', token: 'valid', expires_at: inDays(1) },
          { name: 'refused', token: 'backing_off', expires_at: null },
          { name: 'fresh', token: 'none', expires_at: null },
        ],
        actions: [
          {
            name: 'measured',
            calls: 200,
            failed: 3,
            latency: [
              { le_ms: 100, calls: 100 },
              { le_ms: 200, calls: 190 },
              { le_ms: null, calls: 200 },
            ],
          },
        ],
        errors: [],
      },
    ],
  };
  await answerWith(page, status);
  await visit(demo, '#/health');
  await expect(page.getByTestId('health-gateway')).toContainText('9.9.9');
  await expect(page.getByTestId('latest-reload')).toContainText('refused');
  await expect(page.getByTestId('latest-reload')).toContainText('2 errors');
  await expect(page.getByTestId('store-warnings')).toContainText('a restart forgets all');
  await expect(page.getByTestId('connection-soon')).toContainText('Left alone (breaker open)');
  await expect(page.getByTestId('connection-later')).toContainText('Trying again (breaker half open)');
  await expect(page.getByTestId('connection-past')).toContainText('Healthy (breaker closed)');
  await expect(page.getByTestId('connection-soon')).toContainText('2 running of 2, 7 waiting');
  await expect(page.getByTestId('connection-soon')).toContainText('expires in 5 days: renew it');
  await expect(page.getByTestId('connection-later')).toContainText('expires in 90 days');
  await expect(page.getByTestId('connection-later')).not.toContainText('renew');
  await expect(page.getByTestId('connection-past')).toContainText('has expired');
  await expect(page.getByTestId('connector-refused')).toContainText('waits before it asks again');
  await expect(page.getByTestId('connector-fresh')).toContainText('No token fetched yet');
  const row = page.getByTestId('health-action-measured');
  await expect(row).toContainText('1.5 %');
  await expect(row).toContainText('100 ms');
  await expect(row).toContainText('200 ms');
});

test('members that are missing are no fault', async ({ demo, page, visit }) => {
  await answerWith(page, { version: '0.0.1', environments: [{ name: 'development' }, { name: 'other', actions: [{ name: 'bare' }] }] });
  await visit(demo, '#/health');
  await expect(page.getByTestId('health-development')).toContainText('Nothing is known of it yet.');
  await expect(page.getByTestId('health-action-bare')).toContainText('–');
});
