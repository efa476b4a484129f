// Try: from the form over the preview to what came back.
import { expect, test, type Page } from './support/fixtures';
import type { Gateway, serve as serveProject } from './support/gateway';
import { fetchCase, storeNote, type Project } from './support/project';

/** A gateway with the two actions of the tests. */
async function start(project: Project, serve: typeof serveProject): Promise<Gateway> {
  project.write('actions/fetch_case.yaml', fetchCase);
  project.write('actions/store_note.yaml', storeNote);
  return serve(project.folder);
}

const tree = (page: Page, region: string) => page.getByTestId(region).getByTestId('tree');

test('an action is found, filled in, previewed and sent', async ({ page, visit, project, serve, upstream }) => {
  const gateway = await start(project, serve);
  await visit(gateway);
  await page.getByTestId('action-search').fill('fetch');
  await page.getByTestId('action-fetch_case').click();
  await expect(page).toHaveURL(/#\/try\/development\/fetch_case$/);
  await page.getByTestId('field-/name').fill('plain & simple');
  await expect(page.getByTestId('preview-url')).toHaveText(`${upstream.origin}/case?name=plain%20%26%20simple`);
  const before = upstream.received.length;
  await page.getByTestId('send').click();
  await expect(page.getByTestId('result-status')).toHaveText('success');
  expect(upstream.received.slice(before).map(({ url }) => url)).toEqual(['/case?name=plain%20%26%20simple']);
  await expect(tree(page, 'model-gets')).toContainText('"n-1"');
  await expect(tree(page, 'upstream')).toContainText('"n-1"');
  await expect(page.getByTestId('waterfall')).toContainText('wait for the answer');
});

test('preview and choosing send nothing', async ({ page, visit, project, serve, upstream }) => {
  const gateway = await start(project, serve);
  const before = upstream.received.length;
  await visit(gateway, '#/try/development/store_note');
  await page.getByTestId('field-/text').fill('not yet');
  await expect(page.getByTestId('preview-body')).toContainText('not yet');
  await page.getByTestId('action-fetch_case').click();
  await page.getByTestId('field-/name').fill('plain');
  await expect(page.getByTestId('preview-url')).toContainText('name=plain');
  expect(upstream.received.length).toBe(before);
});

test('absent, null, empty and given are four things', async ({ page, visit, project, serve, upstream }) => {
  const gateway = await start(project, serve);
  await visit(gateway, '#/try/development/store_note');
  await page.getByTestId('field-/text').fill('x');
  const body = page.getByTestId('preview-body');
  await expect(body).toHaveText(/"text"/);
  await expect(body).not.toContainText('tag');
  await page.getByTestId('state-/tag').selectOption('null');
  await expect(body).toContainText(/"tag":\s*null/);
  await page.getByTestId('state-/tag').selectOption('value');
  await expect(body).toContainText(/"tag":\s*""/);
  await page.getByTestId('field-/tag').fill('t');
  await expect(body).toContainText(/"tag":\s*"t"/);
  await page.getByTestId('state-/tag').selectOption('absent');
  await expect(body).not.toContainText('tag');
  await page.getByTestId('field-/count').fill('9007199254740993');
  await expect(body).toContainText('9007199254740993');
  await page.getByTestId('send').click();
  await expect(page.getByTestId('result-status')).toHaveText('success');
  expect(upstream.received.at(-1)?.body).toBe('{"text":"x","count":9007199254740993}');
});

test('what the schema refuses is said beside its field, in the words of the gateway', async ({ page, visit, project, serve }) => {
  const gateway = await start(project, serve);
  await visit(gateway, '#/try/development/store_note');
  await page.getByTestId('field-/text').fill('x');
  await page.getByTestId('field-/count').fill('many');
  await expect(page.getByTestId('errors-/count')).toContainText('must be a whole number');
  await page.getByTestId('field-/count').fill('3');
  await expect(page.getByTestId('errors-/count')).toBeHidden();
});

test('what a form cannot say is said as JSON', async ({ page, visit, project, serve, upstream }) => {
  const gateway = await start(project, serve);
  await visit(gateway, '#/try/development/store_note');
  await page.getByTestId('form-raw').click();
  await page.getByTestId('field-').fill('{"text": "raw", "count": 18446744073709551615}');
  await page.getByTestId('send').click();
  await expect(page.getByTestId('result-status')).toHaveText('success');
  expect(upstream.received.at(-1)?.body).toContain('18446744073709551615');
  await page.getByTestId('field-').fill('{"count": "x"}');
  await expect(page.getByTestId('form-errors')).toContainText('is required');
  await page.getByTestId('field-').fill('{"text": ');
  await expect(page.getByTestId('send')).toBeDisabled();
  await expect(page.getByTestId('errors-').or(page.getByTestId('form-errors'))).toHaveText('Not JSON: line 1, column 10: the text ends too early: a value is expected.');
  await expect(page.getByTestId('preview')).toContainText('Fix the JSON to see the preview.');
});

test('a write in production asks first', async ({ page, visit, project, serve, upstream }) => {
  const gateway = await start(project, serve);
  await visit(gateway, '#/try/production/store_note');
  await expect(page.getByTestId('env-production')).toBeVisible();
  await page.getByTestId('field-/text').fill('careful');
  const before = upstream.received.length;
  await page.getByTestId('send').click();
  const dialog = page.getByTestId('confirm');
  await expect(dialog).toContainText('production');
  await expect(dialog).toContainText('store_note');
  await expect(page.getByTestId('confirm-no')).toBeFocused();
  await expect(page.getByTestId('dialog-close')).toHaveCount(0);
  await page.keyboard.press('Escape');
  await expect(dialog).toBeHidden();
  await expect(page.getByTestId('send')).toBeFocused();
  await page.getByTestId('send').click();
  await page.getByTestId('confirm-no').click();
  await expect(dialog).toBeHidden();
  expect(upstream.received.length).toBe(before);
  await page.getByTestId('send').click();
  await page.getByTestId('confirm-yes').click();
  await expect(page.getByTestId('result-status')).toHaveText('success');
  expect(upstream.received.length).toBe(before + 1);
});

test('a slow call shows its time and can be cancelled', async ({ page, visit, project, serve, upstream }) => {
  const gateway = await start(project, serve);
  await visit(gateway, '#/try/development/fetch_case');
  await page.getByTestId('field-/name').fill('slow');
  await page.getByTestId('send').click();
  await expect.poll(() => upstream.waiting()).toBe(1);
  await expect(page.getByTestId('elapsed')).toHaveText(/\d/);
  await page.getByTestId('cancel').click();
  await expect(page.getByTestId('run-cancellation').or(page.getByTestId('run-failed'))).toBeVisible();
  upstream.release();
  await expect(page.getByTestId('send')).toBeEnabled();
});

test('what was typed survives a reload of the page', async ({ page, visit, project, serve }) => {
  const gateway = await start(project, serve);
  await visit(gateway, '#/try/development/store_note');
  await page.getByTestId('field-/text').fill('kept');
  await expect(page.getByTestId('preview-body')).toContainText('kept');
  await page.reload();
  await expect(page.getByTestId('field-/text')).toHaveValue('kept');
});

test('a definition that changes under the form keeps what was typed', async ({ page, visit, project, serve }) => {
  const gateway = await start(project, serve);
  await visit(gateway, '#/try/development/store_note');
  await page.getByTestId('field-/text').fill('typed before');
  project.write('actions/store_note.yaml', storeNote.replace('    urgent:', '    fresh: {type: string, description: New.}\n    urgent:'));
  await expect(async () => {
    await page.evaluate(() => window.dispatchEvent(new Event('focus')));
    await expect(page.getByTestId('field-/fresh')).toBeVisible({ timeout: 500 });
  }).toPass();
  await expect(page.getByTestId('field-/text')).toHaveValue('typed before');
  await page.getByTestId('field-/fresh').fill('now');
  await expect(page.getByTestId('preview-body')).toContainText('"now"');
});

test('a call is seen in Live with the mark of the console', async ({ page, visit, project, serve }) => {
  const gateway = await start(project, serve);
  await visit(gateway, '#/try/development/fetch_case');
  await page.getByTestId('field-/name').fill('plain');
  await page.getByTestId('send').click();
  await expect(page.getByTestId('result-status')).toHaveText('success');
  await page.getByTestId('result').getByRole('link', { name: 'Show in Live' }).click();
  const card = page.getByTestId('call-card');
  await expect(card).toHaveCount(1);
  await expect(card).toContainText('console');
});

test('calls of one conversation know of each other', async ({ page, visit, project, serve }) => {
  const gateway = await start(project, serve);
  await visit(gateway, '#/try/development/store_note');
  await page.getByTestId('field-/text').fill('first');
  await page.getByTestId('send').click();
  await expect(page.getByTestId('written')).toContainText('note.id');
  await expect(page.getByTestId('conversation-variables')).toContainText('note.id');
  await expect(page.getByTestId('conversation-variables')).toContainText('n-1');
  await page.getByTestId('new-conversation').click();
  await expect(page.getByTestId('conversation-variables')).not.toContainText('note.id');
});

test('a past write is sent again only after a yes', async ({ page, visit, project, serve, upstream }) => {
  const gateway = await start(project, serve);
  await visit(gateway, '#/try/development/store_note');
  await page.getByTestId('field-/text').fill('once');
  await page.getByTestId('send').click();
  await expect(page.getByTestId('result-status')).toHaveText('success');
  const before = upstream.received.length;
  await page.getByTestId('send-again').click();
  await expect(page.getByTestId('confirm')).toContainText('made before');
  expect(upstream.received.length).toBe(before);
  await page.getByTestId('confirm-no').click();
});

test('"Copy as issue" holds what another person needs, secrets masked', async ({ page, visit, project, serve }) => {
  const gateway = await start(project, serve);
  await visit(gateway, '#/try/development/fetch_case');
  await page.getByTestId('field-/name').fill('plain');
  await expect(page.getByTestId('preview-headers')).toContainText('Bearer ***');
  await page.getByTestId('send').click();
  await expect(page.getByTestId('result-status')).toHaveText('success');
  await page.getByTestId('copy-issue').click();
  await expect(page.getByTestId('copy-issue')).toHaveText('Copied');
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  expect(copied).toContain('fetch_case');
  expect(copied).toContain('$ORDERS_TOKEN');
  const secret = /orders_token *= *"([^"]+)"/.exec(project.read('secrets.toml'))?.[1];
  expect(secret).toBeTruthy();
  expect(copied).not.toContain(secret);
});

test('a schema that a form cannot show leaves JSON to type', async ({ page, visit, project, serve }) => {
  project.write(
    'actions/odd.yaml',
    `name: odd
description: Has a schema with a choice that depends on others.
connection: orders
path: /odd
method: POST
parameters:
  type: object
  properties:
    what:
      oneOf:
        - {type: object, properties: {a: {type: string}}, required: [a], additionalProperties: false}
        - {type: array, items: {type: array, items: {type: integer}}}
    "dotted.name": {type: string}
`,
  );
  const gateway = await start(project, serve);
  await visit(gateway, '#/try/development/odd');
  await page.getByTestId('field-/dotted.name').fill('dots');
  await expect(page.getByTestId('preview-body')).toContainText(/"dotted\.name":\s*"dots"/);
});

test.describe('on a phone', () => {
  test.use({ viewport: { width: 360, height: 740 } });

  test('the page goes to the result when it has come', async ({ page, visit, project, serve, upstream }) => {
    const gateway = await start(project, serve);
    await visit(gateway, '#/try/development/fetch_case');
    for (const name of ['plain', 'slow']) {
      await page.getByTestId('field-/name').fill(name);
      await expect(page.getByTestId('preview-url')).toContainText(`name=${name}`);
      await page.getByTestId('send').click();
      if (name === 'slow') {
        await expect.poll(() => upstream.waiting()).toBe(1);
        await expect(page.getByTestId('send')).toBeInViewport();
        upstream.release();
      }
      await expect(page.getByTestId('result-status')).toHaveText('success');
      await expect(page.getByTestId('waterfall')).toBeAttached();
      // The conversation above grows when its variables have come.
      await page.waitForLoadState('networkidle');
      const heading = page.getByRole('heading', { name: 'Result' });
      await expect(heading).toBeInViewport();
      expect((await heading.boundingBox())?.y).toBeLessThan(200);
      await page.getByTestId('result-hide').click();
    }
  });

  test('the menu of a row lies beside its value, and is large enough', async ({ page, visit, project, serve }) => {
    const gateway = await start(project, serve);
    await visit(gateway, '#/try/development/fetch_case');
    await page.getByTestId('field-/name').fill('script');
    await page.getByTestId('send').click();
    const row = page.getByTestId('upstream').getByTestId('tree-row').filter({ hasText: 'markup' });
    await expect(row).toBeAttached();
    const menu = await row.getByTestId('tree-menu-button').boundingBox();
    const value = await row.locator('.tree-string').boundingBox();
    expect(menu?.x ?? 0).toBeGreaterThanOrEqual((value?.x ?? 0) + (value?.width ?? 0));
    expect(Math.min(menu?.width ?? 0, menu?.height ?? 0)).toBeGreaterThanOrEqual(24);
  });
});

test('the focus stays while a call is under way, and after it', async ({ page, visit, project, serve, upstream }) => {
  const gateway = await start(project, serve);
  await visit(gateway, '#/try/development/fetch_case');
  await page.getByTestId('field-/name').fill('slow');
  await page.getByTestId('send').focus();
  await page.keyboard.press('Enter');
  await expect.poll(() => upstream.waiting()).toBe(1);
  await expect(page.getByTestId('send')).toBeFocused();
  await expect(page.getByTestId('send')).toBeDisabled();
  const before = upstream.received.length;
  await page.keyboard.press('Enter');
  expect(upstream.received.length).toBe(before);
  await page.getByTestId('cancel').focus();
  await page.getByTestId('action-store_note').click();
  await expect(page.getByTestId('under-way')).toHaveText('fetch_case is under way');
  await page.getByTestId('cancel').focus();
  upstream.release();
  await expect(page.getByTestId('cancel')).toBeHidden();
  await expect(page.getByTestId('send')).toBeFocused();
});

test('what the model gets of an error is its status, code and message', async ({ page, visit, project, serve }) => {
  const gateway = await start(project, serve);
  await visit(gateway, '#/try/development/store_note');
  await expect(page.getByTestId('preview-error')).toBeVisible();
  await page.getByTestId('send').click();
  await expect(page.getByTestId('model-error')).toContainText('exception');
  await expect(page.getByTestId('model-error')).toContainText('invalid_arguments');
  await expect(page.getByTestId('model-error')).toContainText('`text` is required.');
  await expect(page.getByTestId('model-gets')).not.toContainText('No body');
  await expect(page.getByTestId('result-error')).toContainText('Nothing was changed. Try again with other arguments.');
});

test('a click on a value opens its menu, also in what the model gets', async ({ page, visit, project, serve }) => {
  const gateway = await start(project, serve);
  await visit(gateway, '#/try/development/fetch_case');
  await page.getByTestId('field-/name').fill('plain');
  await page.getByTestId('send').click();
  for (const region of ['upstream', 'model-gets']) {
    await page.getByTestId(region).getByTestId('tree-row').filter({ hasText: 'n-1' }).click();
    await expect(page.getByTestId('tree-menu')).toBeVisible();
    await page.getByTestId('make-output').click();
    await expect(page.getByTestId('output-name')).toBeFocused();
    await expect(page.getByTestId('output-lines')).toContainText('path: $.id');
    await page.getByTestId('dialog-close').click();
    await expect(page.getByTestId(region).getByTestId('tree')).toBeFocused();
  }
  await page.getByTestId('upstream').getByTestId('tree-row').first().click();
  await expect(page.getByTestId('tree-menu')).toBeHidden();
  await expect(page.getByTestId('upstream').getByTestId('tree-row')).toHaveCount(1);
});

test('a new output variable hides nothing unless one says so', async ({ page, visit, project, serve }) => {
  const gateway = await start(project, serve);
  await visit(gateway, '#/try/development/store_note');
  await page.getByTestId('field-/text').fill('x');
  await page.getByTestId('send').click();
  await page.getByTestId('upstream').getByTestId('tree-row').filter({ hasText: 'n-1' }).click();
  await page.getByTestId('make-output').click();
  await expect(page.getByTestId('output-expose')).toBeChecked();
  await expect(page.getByTestId('output-lines')).toContainText('expose: true');
  await expect(page.getByTestId('output-conflict')).toBeHidden();
  await page.getByTestId('output-hide').check();
  await expect(page.getByTestId('output-lines')).toContainText('expose: false');
  await expect(page.getByTestId('output-conflict')).toContainText('note.id has the same path');
});

test('an action that answers by itself shows no request, and takes no arguments', async ({ demo, page, visit }) => {
  await visit(demo, '#/try/development/store_hours');
  await expect(page.getByText('No arguments.')).toBeVisible();
  await expect(page.getByTestId('add-member-')).toBeHidden();
  await page.getByTestId('send').click();
  await expect(page.getByTestId('result-status')).toHaveText('success');
  await expect(page.getByTestId('waterfall')).not.toContainText('build the request');
  await expect(page.getByTestId('result')).not.toContainText('attempts');
  await expect(page.getByTestId('result')).not.toContainText('HTTP');
  await visit(demo, '#/try/development/talk_to_human');
  await page.getByTestId('send').click();
  await expect(page.getByRole('heading', { name: 'Handover' })).toBeVisible();
});

test('the deadline can be cleared without its field going away', async ({ page, visit, project, serve }) => {
  const gateway = await start(project, serve);
  await visit(gateway, '#/try/development/fetch_case');
  await page.getByTestId('options').click();
  await page.getByTestId('call-deadline').fill('500');
  await page.getByTestId('call-deadline').fill('');
  await expect(page.getByTestId('call-deadline')).toBeVisible();
});
