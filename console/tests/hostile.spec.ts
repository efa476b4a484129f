// What an upstream, a model or a gateway that goes away can do to the page: nothing.
import type { Browser } from '@playwright/test';
import { statSync } from 'node:fs';
import { call, orderStatus, uniqueId } from './support/calls';
import { expect, test, type Page } from './support/fixtures';
import type { Gateway } from './support/gateway';
import { fetchCase } from './support/project';
import { longestAllowed, longestTaskDuring } from './support/tasks';
import { hugeText, manyNodes } from './support/upstream';

const limits = '\n[limits]\nmax_response_bytes = 16777216\n';

test.describe('answers', () => {
  let gateway: Gateway;

  test.beforeEach(async ({ project, serve }) => {
    project.write('actions/fetch_case.yaml', fetchCase);
    project.write('callgate.toml', project.read('callgate.toml') + limits);
    gateway = await serve(project.folder);
  });

  test.afterEach(async ({ page }) => {
    expect(await page.evaluate(() => '__hacked' in window)).toBe(false);
  });

  async function fetchNamed(page: Page, visit: (gateway: Gateway, fragment: string) => Promise<void>, name: string): Promise<void> {
    await visit(gateway, '#/try/development/fetch_case');
    await page.getByTestId('field-/name').fill(name);
    await expect(page.getByTestId('preview-url')).toContainText(`name=${name}`);
    await page.getByTestId('send').click();
    await expect(page.getByTestId('result-status')).toBeVisible();
  }

  test('markup is text, and leads nowhere', async ({ page, visit, upstream }) => {
    await fetchNamed(page, visit, 'script');
    const tree = page.getByTestId('upstream').getByTestId('tree');
    await expect(tree).toContainText('<script>window.__hacked = 1</script>');
    await expect(tree).toContainText('onerror');
    for (const region of ['upstream', 'model-gets']) {
      expect(await page.getByTestId(region).locator('script, img, svg, iframe, a').count()).toBe(0);
    }
    await page.getByTestId('upstream').getByTestId('json-as-text').click();
    await expect(page.getByTestId('upstream').getByTestId('text-view')).toContainText('<svg onload');
    const before = upstream.received.length;
    await visit(gateway, `#/live/development/${await conversationOf(page)}`);
    await page.getByTestId('call-toggle').first().click();
    await expect(page.getByTestId('call-response')).toContainText('<script>');
    expect(upstream.received.length).toBe(before);
  });

  test('a page of HTML is shown as text', async ({ page, visit }) => {
    await fetchNamed(page, visit, 'html');
    await expect(page.getByTestId('upstream').getByTestId('text-view')).toContainText('onclick');
    await expect(page.getByTestId('upstream').getByTestId('json-why')).toHaveText('HTML, shown as text');
    expect(await page.getByTestId('upstream').locator('p[onclick], title').count()).toBe(0);
  });

  test('hidden characters are seen', async ({ page, visit }) => {
    await fetchNamed(page, visit, 'hidden');
    const tree = page.getByTestId('upstream').getByTestId('tree');
    await expect(tree).toContainText('\\u001b[31mred');
    await expect(tree).toContainText('\\u202egnp.exe');
    await expect(tree).toContainText('\\u2066x\\u2069');
    await expect(tree).toContainText('a\\u200bb');
    await expect(tree).toContainText('\\u0000');
    expect(await tree.textContent()).not.toMatch(/[\u0000-\u0008\u001b\u202a-\u202e\u2066-\u2069\u200b-\u200f]/);
    await visit(gateway, `#/live/development/${await conversationOf(page)}`);
    await page.getByTestId('call-toggle').first().click();
    await expect(page.getByTestId('call-response')).toContainText('\\u202egnp.exe');
    expect(await page.getByTestId('timeline').textContent()).not.toMatch(/[\u001b\u202a-\u202e\u2066-\u2069]/);
  });

  test('lone surrogates are seen, and copied as they came', async ({ page, visit }) => {
    await fetchNamed(page, visit, 'surrogates');
    const upstreamSaid = page.getByTestId('upstream');
    await expect(upstreamSaid.getByTestId('tree')).toContainText('a\\ud800b');
    await expect(upstreamSaid.getByTestId('tree')).toContainText('\\udc00\\ud800');
    await expect(upstreamSaid.getByTestId('tree')).toContainText('😀');
    await upstreamSaid.getByTestId('copy-all').click();
    await expect(upstreamSaid.getByTestId('copy-all')).toHaveText('Copied');
    expect(await page.evaluate(() => navigator.clipboard.readText())).toContain('a\\ud800b');
  });

  test('numbers keep every digit, on the screen and in the clipboard', async ({ page, visit }) => {
    await fetchNamed(page, visit, 'integers');
    const upstreamSaid = page.getByTestId('upstream');
    for (const number of ['9007199254740993', '18446744073709551615', '0.10000000000000000001', '1e400', '-0']) {
      await expect(upstreamSaid.getByTestId('tree')).toContainText(number);
    }
    await expect(page.getByTestId('model-gets').getByTestId('tree')).toContainText('9007199254740993');
    await upstreamSaid.getByTestId('copy-all').click();
    await expect(upstreamSaid.getByTestId('copy-all')).toHaveText('Copied');
    expect(await page.evaluate(() => navigator.clipboard.readText())).toContain('18446744073709551615');
  });

  test('a text of three megabytes is cut on its row, and downloads whole', async ({ browser, page, visit }) => {
    await smoothly(browser, page, 'a text of 3 MB', async () => {
      await fetchNamed(page, visit, 'long');
      const upstreamSaid = page.getByTestId('upstream');
      await expect(upstreamSaid.getByTestId('show-more')).toBeVisible();
      expect((await upstreamSaid.textContent())?.length ?? 0).toBeLessThan(5000);
      await upstreamSaid.getByTestId('show-more').click();
      await expect(page.getByTestId('whole-text').getByTestId('text-view')).toBeVisible();
      expect(await page.locator('.text-row').count()).toBeLessThan(200);
      await page.getByTestId('dialog-close').click();
      const downloading = page.waitForEvent('download');
      await upstreamSaid.getByTestId('download').click();
      const { size } = statSync(await (await downloading).path());
      expect(size).toBe(hugeText + '{"text":""}'.length);
    });
  });

  test('fifty thousand values are a window of rows', async ({ browser, page, visit }) => {
    await smoothly(browser, page, '50,000 values', async () => {
      await fetchNamed(page, visit, 'many');
      const tree = page.getByTestId('upstream').getByTestId('tree');
      await expect(tree).toBeVisible();
      await page.getByTestId('upstream').getByTestId('tree-open-all').click();
      await expect(page.getByTestId('upstream').getByTestId('tree-row').first()).toBeVisible();
      expect(await page.getByTestId('tree-row').count()).toBeLessThan(300);
      await page.getByTestId('upstream').getByTestId('tree-search').fill('item 9876');
      await expect(page.getByTestId('upstream').getByTestId('tree-found')).toContainText('1');
      await expect(tree).toContainText('item 9876');
      await tree.press('End');
      await expect(tree).toContainText(String(manyNodes / 5 - 1));
      expect(await page.getByTestId('tree-row').count()).toBeLessThan(300);
    });
  });

  test('another call after a large answer is as good as the first', async ({ page, visit }) => {
    await fetchNamed(page, visit, 'many');
    await page.getByTestId('field-/name').fill('plain');
    await expect(page.getByTestId('preview-url')).toContainText('name=plain');
    await page.getByTestId('send').click();
    await expect(page.getByTestId('upstream').getByTestId('tree')).toContainText('"n-1"');
  });
});

test('a feed of 5,000 events stays smooth and small', async ({ browser, demo, page, visit }) => {
  const id = uniqueId('flood');
  const events: string[] = [];
  const add = (type: string, data: object) => {
    const event = JSON.stringify({ id: events.length + 1, type, at: '2026-11-30T13:17:31.503Z', data });
    events.push(`id: ${events.length + 1}\nevent: ${type}\ndata: ${event}\n\n`);
  };
  for (let number = 0; number < 1250; number += 1) {
    const tool_call_id = `call-${number}`;
    add('tool_called', { tool_call_id, name: `action_${number % 7}`, arguments: { number, text: 'x'.repeat(200) } });
    add('request_sent', { tool_call_id, method: 'GET', url: 'https://api.example.com/', headers: {}, body: null });
    add('response_received', { tool_call_id, status_code: 200, duration_ms: 3, body: { text: 'y'.repeat(3500) } });
    add('variable_set', { name: 'x', value: number, source: { by: 'call', tool_call_id, action: 'x' } });
  }
  let streams = 0;
  await page.route(/\/events\?/, async (route) => {
    streams += 1;
    if (streams > 1) return; // The second one stays open without an answer.
    await route.fulfill({ status: 200, contentType: 'text/event-stream', body: events.join('') });
  });
  await orderStatus(demo, id, 'one');
  await smoothly(browser, page, '5,000 events', async () => {
    await visit(demo, `#/live/development/${id}`);
    await expect(page.getByTestId('filter-count')).toHaveText('1250 entries');
    const rows = page.getByTestId('call-card');
    await expect(rows.last()).toBeInViewport();
    expect(await rows.count()).toBe(100);
    for (let more = 0; more < 6; more += 1) {
      const first = await rows.first().getAttribute('data-key');
      await page.getByTestId('show-older').click();
      await expect(rows.first()).not.toHaveAttribute('data-key', first ?? '');
      // What was in sight stays there.
      await expect(page.locator(`[data-key="${first}"]`)).toBeInViewport();
    }
    expect(await rows.count()).toBeLessThanOrEqual(300);
    await page.getByTestId('to-newest').click();
    await expect(rows.last()).toBeInViewport();
    await page.getByLabel('Action').selectOption('action_3');
    await expect(page.getByTestId('filter-count')).toContainText('of 1250 entries');
  });
});

test('an event that cannot be read does no harm', async ({ demo, page, visit }) => {
  const id = uniqueId('odd');
  await orderStatus(demo, id, 'one');
  let streams = 0;
  await page.route(/\/events\?/, async (route) => {
    streams += 1;
    if (streams > 1) return;
    const body = [
      'data: {"id":1,"type":"tool_called","at":"never","data":{"tool_call_id":7,"name":{},"arguments":"<b>"}}',
      'data: not json',
      'data: {"id":2,"type":"__proto__","at":null,"data":{"__proto__":{"x":1},"constructor":"y"}}',
      'data: {"id":3,"type":"response_received","data":null}',
      'event: gap\ndata: {}',
      'data: {"id":4,"type":"tool_called","at":"2026-11-30T13:17:31.503Z","data":{"tool_call_id":"c","name":"a\\u202eb","arguments":{"n":12345678901234567890}}}',
      '',
    ].join('\n\n');
    await route.fulfill({ status: 200, contentType: 'text/event-stream', body });
  });
  await visit(demo, `#/live/development/${id}`);
  await expect(page.getByTestId('call-card').last()).toContainText('a\\u202eb');
  await page.getByTestId('call-toggle').last().click();
  await expect(page.getByTestId('call-arguments')).toContainText('12345678901234567890');
});

test('a gateway that stops while a call streams loses nothing that was typed', async ({ page, visit, project, serve, upstream, guard }) => {
  project.write('actions/fetch_case.yaml', fetchCase);
  const gateway = await serve(project.folder);
  await visit(gateway, '#/try/development/fetch_case');
  await page.getByTestId('field-/name').fill('slow');
  await page.getByTestId('send').click();
  await expect.poll(() => upstream.waiting()).toBe(1);
  guard.allowOutage();
  const stopped = gateway.stop('SIGTERM');
  upstream.release();
  await expect(page.getByTestId('result-status').or(page.getByTestId('run-failed'))).toBeVisible();
  await stopped;
  await page.getByTestId('send').click();
  await expect(page.getByTestId('run-failed')).toBeVisible();
  await expect(page.getByTestId('unreachable')).toBeVisible();
  await expect(page.getByTestId('field-/name')).toHaveValue('slow');

  // What the page asks by itself waits for the press, or it would take the button away before.
  let press = () => {};
  const pressed = new Promise<void>((resolve) => (press = resolve));
  await page.route(`${gateway.origin}/**`, async (route) => {
    await pressed;
    await route.continue();
  });
  await serve(project.folder, { listen: new URL(gateway.origin).host });
  await page.getByTestId('try-again').click();
  press();
  await expect(page.getByTestId('unreachable')).toBeHidden();
  await expect(page.getByTestId('field-/name')).toHaveValue('slow');
});

test('a feed goes on when the gateway comes back', async ({ page, visit, project, serve, guard }) => {
  test.skip(Boolean(process.env.CONSOLE_DIST), 'the port of the page has to stay');
  project.write('actions/fetch_case.yaml', fetchCase);
  const gateway = await serve(project.folder);
  const id = uniqueId('back');
  await call(gateway, { name: 'fetch_case', conversation_id: id, tool_call_id: 'one', arguments: { name: 'plain' } });
  await visit(gateway, `#/live/development/${id}`);
  await expect(page.getByTestId('call-card')).toHaveCount(1);
  guard.allowOutage();
  await gateway.stop('SIGTERM');
  await expect(page.getByTestId('stream-state')).toContainText('Again in');
  await expect(page.getByTestId('call-card')).toHaveCount(1);
  const again = await serve(project.folder, { listen: new URL(gateway.origin).host });
  await call(again, { name: 'fetch_case', conversation_id: id, tool_call_id: 'two', arguments: { name: 'plain' } });
  await expect(page.getByTestId('call-card')).toHaveCount(2);
});

test('a gateway that goes away is said once', async ({ page, visit, project, serve, guard }) => {
  const gateway = await serve(project.folder);
  await visit(gateway, '#/check');
  await expect(page.getByTestId('check-counts')).toBeVisible();
  guard.allowOutage();
  await gateway.stop();
  await expect(page.getByTestId('unreachable')).toHaveCount(1);
  await expect(page.getByRole('alert')).toHaveCount(1);
});

async function conversationOf(page: Page): Promise<string> {
  return page.getByRole('textbox', { name: 'Conversation' }).inputValue();
}

/** Does the work, prints its longest task, and holds it against the bound. */
async function smoothly(browser: Browser, page: Page, what: string, work: () => Promise<void>): Promise<void> {
  const longest = await longestTaskDuring(browser, page, work);
  console.log(`${what}: longest task ${Math.round(longest)} ms of the processor`);
  expect(longest, `${what}: the longest task`).toBeLessThan(longestAllowed);
}
