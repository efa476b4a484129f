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
  await page.getByTestId('field-').fill('{"text": ');
  await expect(page.getByTestId('send')).toBeDisabled();
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
