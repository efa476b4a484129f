// Live: conversations, the feed of one of them as it grows, its variables.
import { call, orderStatus, patchConversation, uniqueId } from './support/calls';
import { expect, test, type Page } from './support/fixtures';

const stream = (page: Page) => page.getByTestId('stream-state');

test('a conversation that begins appears in the list and opens', async ({ demo, page, visit }) => {
  await visit(demo, '#/live/development');
  const id = uniqueId('begins');
  await orderStatus(demo, id, 'one');
  await page.getByTestId('conversation').filter({ hasText: id }).click();
  await expect(page).toHaveURL(new RegExp(`#/live/development/${id}$`));
  await expect(page.getByRole('heading', { name: id })).toBeVisible();
  await expect(page.getByTestId('call-card')).toHaveCount(1);
});

test('a conversation is found by its id, also one that is not listed', async ({ demo, page, visit, guard }) => {
  guard.allow(/\/v1\/conversations\//, 404);
  const id = uniqueId('by-id');
  await visit(demo, '#/live/development');
  await page.getByRole('searchbox', { name: 'Search by id' }).fill(id);
  await page.getByTestId('conversation-open').click();
  await expect(stream(page)).toContainText('no such conversation');
  // As soon as it begins, the view looks again by itself.
  await orderStatus(demo, id, 'one');
  await expect(page.getByTestId('call-card')).toHaveCount(1);
  await expect(stream(page)).toHaveAttribute('data-state', 'following');
});

test('the list shows more on request, and keeps what it has shown', async ({ project, serve, page, visit }) => {
  const gateway = await serve(project.folder);
  for (let number = 0; number < 60; number += 1) {
    await fetch(`${gateway.origin}/v1/conversations`, {
      method: 'POST',
      body: JSON.stringify({ environment: 'development', id: `phone-${String(number).padStart(2, '0')}` }),
    });
  }
  await visit(gateway, '#/live/development');
  await expect(page.getByTestId('conversation')).toHaveCount(50);
  await page.getByTestId('conversations-more').click();
  await expect(page.getByTestId('conversation')).toHaveCount(60);
  await expect(page.getByTestId('conversations-more')).toBeHidden();
  const refreshed = page.waitForResponse((response) => response.url().includes('/v1/conversations?'));
  await page.getByTestId('conversations-refresh').click();
  await refreshed;
  await expect(page.getByTestId('conversation')).toHaveCount(60);
});

test('a call is one card with all that is known of it', async ({ demo, page, visit }) => {
  const id = uniqueId('card');
  await call(demo, {
    name: 'get_order_status',
    conversation_id: id,
    tool_call_id: 'fails',
    source: 'console',
    arguments: { order_number: 'ORD-50300' },
  });
  await visit(demo, `#/live/development/${id}`);
  const card = page.getByTestId('call-card');
  await expect(card).toHaveCount(1);
  await expect(card).toContainText('get_order_status');
  await expect(card).toContainText('Upstream error');
  await expect(card).toContainText('503');
  await expect(card).toContainText('upstream_error');
  await expect(card).toContainText('1 retry');
  await expect(card).toContainText('console');
  await card.getByRole('button', { expanded: false }).click();
  await expect(card.getByTestId('call-arguments')).toContainText('ORD-50300');
  await expect(card.getByTestId('call-request')).toContainText('/orders?order_number=ORD-50300');
  await expect(card.getByTestId('call-request')).toContainText('Bearer ***');
  await expect(card.getByTestId('retry')).toContainText('Attempt 2');
  await expect(card.getByTestId('call-response')).toContainText('maintenance');
  await expect(card.getByTestId('call-error')).toContainText('retry: later');
  await expect(card.getByTestId('call-phases')).toContainText('wait for the answer');
});

test('a repeated call says whose result it has', async ({ demo, page, visit }) => {
  const id = uniqueId('replay');
  await orderStatus(demo, id, 'one');
  await orderStatus(demo, id, 'one');
  await visit(demo, `#/live/development/${id}`);
  const replay = page.getByTestId('call-card').filter({ hasText: 'Replay' });
  await replay.getByTestId('call-toggle').click();
  await expect(replay.getByTestId('call-replay')).toContainText('Nothing was sent');
});

test('the feed follows, and variables with it', async ({ demo, page, visit }) => {
  const id = uniqueId('grows');
  await orderStatus(demo, id, 'one');
  await visit(demo, `#/live/development/${id}`);
  await expect(page.getByTestId('call-card')).toHaveCount(1);
  await expect(stream(page)).toHaveText(/Following/);
  const status = page.locator('[data-testid=variable][data-name="order.status"]');
  await expect(status).toContainText('shipped');
  await expect(status).toContainText('get_order_status (one)');
  await expect(status).toContainText('exposed');
  await expect(page.locator('[data-testid=variable][data-name="order.customer_id"]')).toContainText('hidden');

  await orderStatus(demo, id, 'two', 'ORD-67890');
  await expect(page.getByTestId('call-card')).toHaveCount(2);
  await patchConversation(demo, id, { variables: { pin: '4711', big: 1 }, sensitive: ['pin'], current_state: 'billing' });
  const pin = page.locator('[data-testid=variable][data-name="pin"]');
  await expect(pin).toContainText('***');
  await expect(pin).toContainText('sensitive');
  await expect(pin).toContainText('caller');
  await expect(page.getByTestId('variables')).toContainText('billing');
  await expect(page.getByTestId('event-row').filter({ hasText: 'State: billing' })).toBeVisible();
});

test('integers of variables keep their digits', async ({ demo, page, visit }) => {
  const id = uniqueId('digits');
  await orderStatus(demo, id, 'one');
  const response = await fetch(`${demo.origin}/v1/conversations/${id}?environment=development`, {
    method: 'PATCH',
    body: '{"variables":{"big":9007199254740993}}',
  });
  expect(response.status).toBe(200);
  await visit(demo, `#/live/development/${id}`);
  await expect(page.locator('[data-testid=variable][data-name="big"]')).toContainText('9007199254740993');
  await expect(page.getByTestId('event-row').filter({ hasText: 'big' })).toContainText('9007199254740993');
});

test('filters leave the calls of an action and an outcome', async ({ demo, page, visit }) => {
  const id = uniqueId('filters');
  await orderStatus(demo, id, 'one');
  await orderStatus(demo, id, 'two', 'ORD-50300');
  await orderStatus(demo, id, 'one');
  await call(demo, { name: 'store_hours', conversation_id: id, tool_call_id: 'hours' });
  await visit(demo, `#/live/development/${id}`);
  await expect(page.getByTestId('call-card')).toHaveCount(4);
  await page.getByLabel('Outcome').selectOption('Upstream error');
  await expect(page.getByTestId('call-card')).toHaveCount(1);
  await expect(page.getByTestId('event-row')).toHaveCount(0);
  await page.getByLabel('Outcome').selectOption('Replay');
  await expect(page.getByTestId('call-card')).toHaveCount(1);
  await page.getByLabel('Outcome').selectOption('All outcomes');
  await page.getByLabel('Action').selectOption('store_hours');
  await expect(page.getByTestId('call-card')).toHaveCount(1);
  await expect(page.getByTestId('filter-count')).toContainText('1 of');
});

test('a reader who is not at the newest end stays where they are', async ({ demo, page, visit }) => {
  const id = uniqueId('reader');
  for (let number = 0; number < 30; number += 1) await orderStatus(demo, id, `call-x${number}y`);
  await visit(demo, `#/live/development/${id}`);
  const timeline = page.getByTestId('timeline');
  await expect(page.getByTestId('call-card')).toHaveCount(30);
  await expect(timeline).toHaveAttribute('data-following', 'true');
  await page.getByTestId('call-card').nth(5).scrollIntoViewIfNeeded();
  await expect(timeline).toHaveAttribute('data-following', 'false');
  const top = await timeline.evaluate((element) => element.scrollTop);
  await orderStatus(demo, id, 'later-z');
  await expect(page.getByTestId('to-newest')).toContainText('new');
  await expect(page.getByTestId('to-newest')).toContainText('1 new');
  expect(await timeline.evaluate((element) => element.scrollTop)).toBe(top);
  await page.getByTestId('to-newest').click();
  await expect(timeline).toHaveAttribute('data-following', 'true');
  await expect(page.getByTestId('call-card').last()).toBeInViewport();
});

test('one stream is open at a time, and none while the tab is hidden or on another screen', async ({ demo, page, visit }) => {
  const open = new Set<string>();
  const isStream = (url: string) => /\/events\?/.test(url);
  page.on('request', (request) => isStream(request.url()) && open.add(request.url()));
  page.on('requestfailed', (request) => open.delete(request.url()));
  page.on('requestfinished', (request) => open.delete(request.url()));
  const [first, second] = [uniqueId('first'), uniqueId('second')];
  await orderStatus(demo, first, 'one');
  await orderStatus(demo, second, 'one');
  await visit(demo, `#/live/development/${first}`);
  await expect(page.getByTestId('call-card')).toHaveCount(1);
  await page.getByTestId('conversation').filter({ hasText: second }).click();
  await expect(page.getByRole('heading', { name: second })).toBeVisible();
  await expect.poll(() => [...open].map((url) => url.includes(second))).toEqual([true]);

  await setHidden(page, true);
  await expect(stream(page)).toHaveAttribute('data-state', 'paused');
  await expect.poll(() => open.size).toBe(0);
  await orderStatus(demo, second, 'two');
  await setHidden(page, false);
  await expect(page.getByTestId('call-card')).toHaveCount(2);

  await page.getByTestId('nav-health').click();
  await expect.poll(() => open.size).toBe(0);
});

test('after a break the stream goes on behind the last event', async ({ demo, page, visit, guard }) => {
  const id = uniqueId('breaks');
  await orderStatus(demo, id, 'one');
  const asked: (string | null)[] = [];
  await page.route(/\/events\?/, async (route) => {
    asked.push(new URL(route.request().url()).searchParams.get('after'));
    if (asked.length === 2) {
      await route.fulfill({ status: 503, contentType: 'application/problem+json', body: '{"status":503,"code":"stopping","detail":"the gateway is stopping"}' });
    } else if (asked.length === 1) {
      const page = await fetch(`${demo.origin}/v1/conversations/${id}/events?environment=development`);
      const { events } = (await page.json()) as { events: { id: number; type: string }[] };
      const body = events.map((event) => `id: ${event.id}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join('');
      await route.fulfill({ status: 200, contentType: 'text/event-stream', body });
    } else {
      await route.continue();
    }
  });
  guard.allow('/events', 503);
  await visit(demo, `#/live/development/${id}`);
  await expect(page.getByTestId('call-card')).toHaveCount(1);
  await expect(stream(page)).toHaveAttribute('data-state', 'following');
  await orderStatus(demo, id, 'two');
  await expect(page.getByTestId('call-card')).toHaveCount(2);
  expect(asked[0]).toBe('0');
  expect(Number(asked[1])).toBeGreaterThan(3);
  expect(asked[2]).toBe(asked[1]);
});

test('what has been given up and what is forgotten is said', async ({ demo, page, visit }) => {
  const id = uniqueId('forgotten');
  for (let number = 0; number < 3; number += 1) {
    for (let part = 0; part < 30; part += 1) {
      await patchConversation(demo, await begun(demo, id), { variables: Object.fromEntries(many(number, part)) });
    }
  }
  await visit(demo, `#/live/development/${id}`);
  await expect(page.getByTestId('filter-count')).toContainText('501 entries');
  await page.getByTestId('timeline').evaluate((element) => (element.scrollTop = 0));
  for (let more = 0; more < 5; more += 1) {
    await page.getByTestId('show-older').click();
  }
  await expect(page.getByTestId('gap-row')).toContainText('given up');
  const gone = await fetch(`${demo.origin}/v1/conversations/${id}?environment=development&forget=true`, { method: 'DELETE' });
  expect(gone.status).toBe(204);
  await expect(stream(page)).toContainText('The conversation is gone');
});

test('a call opens in Try with its arguments, and nothing is sent', async ({ demo, page, visit }) => {
  const id = uniqueId('try');
  await orderStatus(demo, id, 'one');
  await visit(demo, `#/live/development/${id}`);
  await page.getByTestId('call-toggle').click();
  const sent: string[] = [];
  page.on('request', (request) => request.url().endsWith('/v1/tool-calls') && sent.push(request.url()));
  await page.getByTestId('open-in-try').click();
  await expect(page).toHaveURL(/#\/try\/development\/get_order_status/);
  await expect(page.getByTestId('field-/order_number')).toHaveValue('ORD-12345');
  await expect(page.getByTestId('preview-url')).toContainText('ORD-12345');
  expect(sent).toEqual([]);
});

async function setHidden(page: Page, hidden: boolean): Promise<void> {
  await page.evaluate((value) => {
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => value });
    Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => (value ? 'hidden' : 'visible') });
    document.dispatchEvent(new Event('visibilitychange'));
  }, hidden);
}

function many(number: number, part: number): [string, number][] {
  return Array.from({ length: 6 }, (_, index) => [`v${part}.n${index}`, number]);
}

async function begun(demo: { origin: string }, id: string): Promise<string> {
  await fetch(`${demo.origin}/v1/conversations`, { method: 'POST', body: JSON.stringify({ environment: 'development', id }) });
  return id;
}
