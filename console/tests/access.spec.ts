// For everybody: axe on every screen in both schemes, by keyboard alone, on a narrow page, with a key. And pictures.
import { expectUsable, graveFaults, inEveryLook, picture, tabTo } from './support/access';
import { call, orderStatus, patchConversation, uniqueId } from './support/calls';
import { editor } from './support/editor';
import { expect, test, type Page } from './support/fixtures';
import type { Gateway } from './support/gateway';
import { addKey, fetchCase } from './support/project';

/** The screens whose pictures the documents show. */
const pictured = new Set(['try', 'live', 'check', 'definition', 'health']);

/** The screens in a state that shows most of what they have. */
const screens: Record<string, (page: Page, gateway: Gateway) => Promise<void>> = {
  async try(page, gateway) {
    await page.goto(`${gateway.consoleUrl}#/try/development/create_support_ticket`);
    await page.getByTestId('field-/customer_email').fill('ann@example.com');
    await page.getByTestId('field-/issue_description').fill('The parcel has not arrived');
    await expect(page.getByTestId('preview-body')).toContainText('ann@example.com');
    await page.getByTestId('send').click();
    await expect(page.getByTestId('upstream').getByTestId('tree')).toBeVisible();
    // The call has changed the conversation, so the preview is asked for again.
    await expect(page.getByTestId('conversation-variables')).toContainText('ticket.id');
    await expect(page.getByTestId('preview')).toHaveAttribute('aria-busy', 'false');
    await page.evaluate(() => scrollTo(0, 0));
  },
  async live(page, gateway) {
    const id = uniqueId('phone');
    await orderStatus(gateway, id, 'call_1');
    await orderStatus(gateway, id, 'call_2', 'ORD-50300');
    await orderStatus(gateway, id, 'call_1');
    await call(gateway, { name: 'store_hours', conversation_id: id, tool_call_id: 'call_3' });
    await patchConversation(gateway, id, { variables: { 'caller.pin': '4711' }, sensitive: ['caller.pin'], current_state: 'billing' });
    await page.goto(`${gateway.consoleUrl}#/live/development/${id}`);
    await expect(page.getByTestId('call-card')).toHaveCount(4);
    await expect(page.locator('[data-name="caller.pin"]')).toBeVisible();
    await page.getByTestId('call-toggle').nth(1).click();
    await expect(page.getByTestId('call-response').getByTestId('tree')).toBeVisible();
  },
  async conversations(page, gateway) {
    await orderStatus(gateway, uniqueId('phone'), 'call_1');
    await page.goto(`${gateway.consoleUrl}#/live/development`);
    await expect(page.getByTestId('conversation').first()).toBeVisible();
  },
  async check(page, gateway) {
    await page.route(/\/v1\/problems$/, (route) => route.fulfill({ json: problems }));
    await page.goto(`${gateway.consoleUrl}#/check`);
    await expect(page.getByTestId('check-refused')).toBeVisible();
  },
  async definition(page, gateway) {
    await page.goto(`${gateway.consoleUrl}#/definition/actions/create_support_ticket.yaml`);
    await expect(editor(page)).toContainText('name: create_support_ticket');
    await expect(page.getByTestId('problem-count')).toContainText('errors');
  },
  async agent(page, gateway) {
    await page.goto(`${gateway.consoleUrl}#/definition/agents/front_desk.yaml`);
    await expect(editor(page)).toContainText('name: front_desk');
    await expect(page.getByTestId('definition-chat')).toBeVisible();
    await expect(page.getByTestId('problem-count')).toContainText('errors');
  },
  async branches(page, gateway) {
    await page.goto(`${gateway.consoleUrl}#/definition/actions/create_support_ticket.yaml`);
    await page.getByTestId('tab-branches').click();
    await expect(page.getByTestId('branch').first()).toBeVisible();
  },
  async specs(page, gateway) {
    await page.goto(`${gateway.consoleUrl}#/definition/actions/create_support_ticket.yaml`);
    await page.getByTestId('tab-specs').click();
    await expect(page.getByTestId('specs')).toBeVisible();
  },
  async 'new-action'(page, gateway) {
    await page.goto(`${gateway.consoleUrl}#/definition`);
    await page.getByTestId('new-action').click();
    await page.getByTestId('new-action-make').click();
    await expect(page.getByTestId('new-action-dialog').getByRole('alert').first()).toBeVisible();
  },
  async 'new-agent'(page, gateway) {
    await page.goto(`${gateway.consoleUrl}#/definition`);
    await page.getByTestId('new-agent').click();
    await page.getByTestId('new-agent-make').click();
    await expect(page.getByTestId('new-agent-dialog').getByRole('alert').first()).toBeVisible();
  },
  async health(page, gateway) {
    await orderStatus(gateway, uniqueId('phone'), 'call_1', 'ORD-50300');
    await page.goto(`${gateway.consoleUrl}#/health`);
    await expect(page.getByTestId('health-development').getByTestId('latest-error').first()).toBeVisible();
  },
};

const found = [
  { severity: 'error', file: 'connections/orders.yaml', line: 0, column: 0, code: 'missing_secret', message: '`orders_token` is not set in production', hint: null },
  { severity: 'warning', file: 'actions/get_order_status.yaml', line: 12, column: 5, code: 'unknown_parameter', message: '`.parameters.nobody` is not a parameter of this action', hint: 'declare `nobody` under `parameters` or `bind`' },
];

const problems = {
  loaded_at: new Date().toISOString(),
  problems: [found[1]],
  refused: { at: new Date().toISOString(), reason: 'reload refused: 1 error', problems: found },
};

for (const [name, show] of Object.entries(screens)) {
  test(`${name} can be used by everybody`, async ({ demo, page }, testInfo) => {
    await show(page, demo);
    await inEveryLook(page, async (size, scheme) => {
      await expectUsable(page, size, scheme);
      const image = `console-${name}-${size}-${scheme}.png`;
      await page.screenshot({ path: pictured.has(name) ? picture(image, testInfo) : testInfo.outputPath(image) });
    });
  });
}

test('a preview that is asked for again can be read meanwhile', async ({ demo, page }) => {
  await screens.try?.(page, demo);
  await page.route(/\/preview$/, () => {}); // It stays open without an answer.
  await page.getByTestId('field-/issue_description').fill('The parcel has arrived');
  await expect(page.getByTestId('preview')).toHaveAttribute('aria-busy', 'true');
  await inEveryLook(page, (size, scheme) => expectUsable(page, size, scheme));
});

test('Try works by keyboard alone, and one sees where one is', async ({ page, visit, project, serve }) => {
  project.write('actions/fetch_case.yaml', fetchCase);
  const gateway = await serve(project.folder);
  await visit(gateway);
  await expect(page.getByTestId('action-search')).toBeVisible();
  await tabTo(page, page.getByTestId('action-search'));
  await page.keyboard.type('fetch');
  await tabTo(page, page.getByTestId('action-fetch_case'));
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/fetch_case$/);
  await expect(page.getByTestId('field-/name')).toBeVisible();
  await tabTo(page, page.getByTestId('field-/name'));
  await page.keyboard.type('plain');
  await expect(page.getByTestId('preview-url')).toContainText('name=plain');
  await tabTo(page, page.getByTestId('send'));
  await page.keyboard.press('Enter');
  await expect(page.getByTestId('result-status')).toHaveText('success');

  const tree = page.getByTestId('upstream').getByTestId('tree');
  await tabTo(page, tree);
  await page.keyboard.press('ArrowDown');
  const active = tree.getByRole('treeitem', { selected: true });
  await expect(active).toContainText('n-1');
  await page.keyboard.press('ArrowLeft');
  await expect(active).toHaveAttribute('aria-expanded', 'true');
  await page.keyboard.press('ArrowLeft');
  await expect(active).toHaveAttribute('aria-expanded', 'false');
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Shift+F10');
  await expect(page.getByRole('menu')).toBeVisible();
  await expect(page.getByRole('menuitem').first()).toBeFocused();
  await page.keyboard.press('Escape');
  await expect(page.getByRole('menu')).toBeHidden();
  await expect(tree).toBeFocused();
});

test('a call of Live opens by keyboard', async ({ demo, page, visit }) => {
  const id = uniqueId('keys');
  await orderStatus(demo, id, 'one');
  await visit(demo, `#/live/development/${id}`);
  await expect(page.getByTestId('call-card')).toHaveCount(1);
  await tabTo(page, page.getByTestId('call-toggle'));
  await page.keyboard.press('Enter');
  await expect(page.getByTestId('call-arguments')).toBeVisible();
  await tabTo(page, page.getByTestId('open-in-try'));
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/#\/try\/development\/get_order_status/);
});

test('the first key leads past the navigation', async ({ demo, page, visit }) => {
  await visit(demo, '#/check');
  await page.keyboard.press('Tab');
  await expect(page.getByRole('link', { name: 'Skip to the content' })).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('main')).toBeFocused();
});

test('a gateway with keys asks for one, says when it is wrong, and forgets it with the tab', async ({ page, context, project, serve, guard }) => {
  guard.allow(/\/v1\//, 401);
  const key = addKey(project, 'developer', { admin: true });
  const gateway = await serve(project.folder);
  await page.goto(gateway.consoleUrl);
  const prompt = page.getByTestId('key-prompt');
  await expect(prompt).toBeVisible();
  expect(await graveFaults(page)).toEqual([]);
  await page.getByLabel('Key', { exact: true }).fill('cg_wrong');
  await page.getByTestId('key-use').click();
  await expect(page.getByTestId('key-wrong')).toHaveText('This key is not valid here.');
  await expect(page.getByTestId('key-prompt')).toHaveCount(1);
  await page.getByLabel('Key', { exact: true }).fill(key);
  await page.getByTestId('key-use').click();
  await expect(prompt).toBeHidden();
  await expect(page.getByTestId('action-get_order_status')).toBeVisible();
  await page.reload();
  await expect(page.getByTestId('action-get_order_status')).toBeVisible();
  await expect(prompt).toBeHidden();
  expect(page.url()).not.toContain('cg_');
  expect(await page.evaluate(() => JSON.stringify(localStorage) + document.cookie)).not.toContain('cg_');
  // Another tab has no key.
  const other = await context.newPage();
  await other.goto(gateway.consoleUrl);
  await expect(other.getByTestId('key-prompt')).toBeVisible();
});

test('a key in the fragment is taken, and is gone from the address', async ({ page, project, serve }) => {
  const key = addKey(project, 'developer', { admin: true });
  const gateway = await serve(project.folder);
  const addresses: string[] = [];
  page.on('request', (request) => addresses.push(request.url()));
  await page.goto(`${gateway.consoleUrl}#key=${key}`);
  await expect(page.getByTestId('action-get_order_status')).toBeVisible();
  expect(page.url()).not.toContain(key);
  await page.goBack();
  expect(page.url()).not.toContain(key);
  expect(addresses.filter((address) => address.includes(key))).toEqual([]);
});
