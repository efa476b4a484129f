// Agents among the definitions: listed, edited, judged, made, and the ways between them and Chat.
import { tabTo } from './support/access';
import { appendText, editor, replaceText, save } from './support/editor';
import { expect, test, type Page } from './support/fixtures';
import type { Gateway } from './support/gateway';
import { agentOf, fetchCase } from './support/project';

const file = 'agents/front_desk.yaml';
const place = `#/definition/${file}`;

/** What an agent says first. */
async function greetingOf(gateway: Gateway): Promise<string> {
  const answer = await fetch(`${gateway.origin}/state/user/ann/interact`, {
    method: 'POST',
    headers: { versionID: 'development' },
    body: JSON.stringify({ action: { type: 'launch' } }),
  });
  const traces = (await answer.json()) as { type: string; payload?: { message?: string } }[];
  return traces.flatMap(({ payload }) => payload?.message ?? []).join(' ');
}

async function say(page: Page, text: string): Promise<void> {
  await page.getByTestId('chat-message').fill(text);
  await page.getByTestId('chat-message').press('Enter');
  await expect(page.getByTestId('chat-turn').last()).toHaveAttribute('data-state', 'done');
}

test('agents are listed under a heading of their own', async ({ demo, page, visit }) => {
  await visit(demo, '#/definition');
  await expect(page.getByRole('heading', { name: 'Agents' })).toBeVisible();
  await page.getByTestId(`file-${file}`).click();
  await expect(page).toHaveURL(/#\/definition\/agents\/front_desk\.yaml$/);
  await expect(editor(page)).toContainText('name: front_desk');
  await expect(page.getByTestId(`file-${file}`)).toHaveAttribute('aria-current', 'page');
  await expect(page.getByTestId('reference')).toContainText('.variables.account.status');
  // What only an action has.
  await expect(page.getByTestId('tab-branches')).toHaveCount(0);
  await expect(page.getByTestId('definition-try')).toHaveCount(0);
  await page.getByTestId('file-search').fill('desk');
  await expect(page.getByTestId('file-connections/helpdesk.yaml')).toBeVisible();
  await expect(page.getByTestId(`file-${file}`)).toBeVisible();
  await expect(page.getByRole('heading', { name: 'Actions' })).toBeHidden();
});

test('on a narrow page agents are a group of the choice of files', async ({ demo, page, visit }) => {
  await page.setViewportSize({ width: 360, height: 740 });
  await visit(demo, '#/definition');
  await expect(page.getByTestId('file-select').locator('optgroup[label="Agents"] option')).toHaveText(file);
  await page.getByTestId('file-select').selectOption(file);
  await expect(editor(page)).toContainText('name: front_desk');
});

test('an agent leads to Chat with it, and Chat to its definition', async ({ page, visit, project, serve, upstream }) => {
  project.write(file, agentOf(upstream.origin));
  // Its text says another name than its file.
  project.write('agents/after_hours.yaml', `name: night_desk\n${agentOf(upstream.origin)}`);
  const gateway = await serve(project.folder);
  await visit(gateway, place);
  await page.getByTestId('definition-chat').click();
  await expect(page).toHaveURL(/#\/chat\/development\/front_desk\/chat-/);
  await page.getByTestId('chat-agent').selectOption('night_desk');
  await page.getByTestId('open-definition').click();
  await expect(page).toHaveURL(/#\/definition\/agents\/after_hours\.yaml$/);
  await page.getByTestId('definition-chat').click();
  await expect(page).toHaveURL(/#\/chat\/development\/night_desk\/chat-/);
  // The way above leads to the agent of the open file, too.
  await page.getByTestId('nav-definition').click();
  await page.getByTestId(`file-${file}`).click();
  await expect(page.getByTestId('definition-chat')).toBeVisible();
  await page.getByTestId('nav-chat').click();
  await expect(page).toHaveURL(/#\/chat\/development\/front_desk\/chat-/);
});

test('an agent that the environment has not leads to no Chat', async ({ page, visit, project, serve, upstream }) => {
  project.write(file, agentOf(upstream.origin));
  project.write('agents/tester.yaml', `${agentOf(upstream.origin)}environments:\n  production: {enabled: false}\n`);
  const gateway = await serve(project.folder);
  await visit(gateway, '#/definition/agents/tester.yaml');
  await expect(page.getByTestId('definition-chat')).toBeVisible();
  await page.getByTestId('env-select').selectOption('production');
  await expect(page.getByTestId('definition-chat')).toBeHidden();
  await page.getByTestId(`file-${file}`).click();
  await expect(page.getByTestId('definition-chat')).toBeVisible();
});

test('a greeting that is edited is the one that is said', async ({ page, visit, project, serve, upstream }) => {
  project.write(file, `greeting: Good morning.\n${agentOf(upstream.origin)}`);
  const gateway = await serve(project.folder, { edit: true });
  expect(await greetingOf(gateway)).toBe('Good morning.');
  await visit(gateway, place);
  await expect(page.getByTestId('problem-count')).toHaveText('0 errors, 0 warnings');
  const text = project.read(file).replace('morning', 'evening').replace('for the shop.', 'after hours.');
  await replaceText(page, text);
  await save(page);
  await expect(page.getByTestId('definition-said')).toHaveText('Saved. The gateway serves it.');
  expect(project.read(file)).toBe(text);
  expect(await greetingOf(gateway)).toBe('Good evening.');
  // Chat knows of it at once.
  await page.getByTestId('definition-chat').click();
  await expect(page.getByTestId('about-agent')).toContainText('Answers after hours.');
});

test('a wrong agent shows its problem where it is, and is not saved', async ({ page, visit, project, serve, guard, upstream }) => {
  guard.allow(`/v1/definitions/${file}`, 422);
  const text = agentOf(upstream.origin);
  project.write(file, text);
  const gateway = await serve(project.folder, { edit: true });
  await visit(gateway, place);
  await expect(page.getByTestId('problem-count')).toHaveText('0 errors, 0 warnings');
  await appendText(page, 'writes: sometimes\n');
  const problem = page.getByTestId('definition-problem');
  await expect(problem).toContainText('error');
  await expect(problem).toContainText('sometimes');
  await expect(page.getByTestId('editor').locator('.cm-lint-marker-error')).toBeVisible();
  await page.getByTestId('save').click();
  await expect(page.getByTestId('definition-said')).toContainText('Not saved');
  expect(project.read(file)).toBe(text);
  await problem.getByRole('link', { name: `${file}:4:` }).click();
  await expect(editor(page)).toBeFocused();
  await expect(page.getByTestId('editor').locator('.cm-lineNumbers .cm-activeLineGutter')).toHaveText('4');
});

test('problems lead to the agent from Check and from another file', async ({ page, visit, project, serve, upstream }) => {
  project.write('actions/fetch_case.yaml', fetchCase);
  project.write(file, agentOf(upstream.origin));
  const gateway = await serve(project.folder);
  await visit(gateway, '#/check');
  await expect(page.getByTestId('no-problems')).toBeVisible();
  project.write(file, `${agentOf(upstream.origin)}actions: [nothing_like_it]\n`);
  const link = page.getByTestId('refused-problems').getByTestId('problem-link');
  await expect(page.getByTestId('refused-problems').getByRole('heading', { name: file })).toBeVisible();
  await link.click();
  await expect(page).toHaveURL(/#\/definition\/agents\/front_desk\.yaml\?line=4&column=\d+$/);
  await expect(page.getByTestId('editor').locator('.cm-lineNumbers .cm-activeLineGutter')).toHaveText('4');

  await page.getByTestId('file-actions/fetch_case.yaml').click();
  await page.getByTestId('definition-problem').getByRole('link', { name: `${file}:4:` }).click();
  await expect(page).toHaveURL(/#\/definition\/agents\/front_desk\.yaml\?line=4&column=\d+$/);
});

test('references of an agent have the values of its chat and of the environment', async ({ page, visit, project, serve, upstream }) => {
  const reads = '{{.variables.order.id}} {{.static_variables.REGION}}';
  project.write(file, agentOf(upstream.origin).replace('\nmodel', ` ${reads}\nmodel`));
  const gateway = await serve(project.folder);
  await visit(gateway, '#/chat/development/front_desk/chat-00000001');
  await say(page, 'Hello');
  await fetch(`${gateway.origin}/v1/conversations/chat-00000001`, {
    method: 'PATCH',
    body: JSON.stringify({ environment: 'development', variables: { 'order.id': 9007199254740993 } }),
  });
  await page.getByTestId('open-definition').click();
  const of = (name: string) => page.getByTestId('reference').filter({ has: page.getByText(name, { exact: true }) });
  await expect(page.getByTestId('references-conversation')).toHaveValue('chat-00000001');
  await expect(of('.variables.order.id')).toContainText('conversation chat-00000001');
  await expect(of('.static_variables.REGION')).toContainText('"eu"');
  await expect(of('.static_variables.REGION')).toContainText('static variable of development');
});

test('a new agent is made and talked to', async ({ page, visit, project, serve, upstream }) => {
  const gateway = await serve(project.folder, { edit: true });
  await visit(gateway, '#/definition');
  await expect(page.getByTestId('nav-chat')).toBeHidden();
  await page.getByTestId('new-agent').click();
  await page.getByRole('button', { name: 'Create agent' }).click();
  await expect(page.getByTestId('new-agent-dialog').getByRole('alert')).toHaveCount(3);
  await page.getByLabel('Name').fill('night_desk');
  await page.getByLabel('Instructions for the model').fill('You answer at night.\nSay "good night".');
  await page.getByLabel('Provider', { exact: true }).selectOption('openai');
  await page.getByLabel('Model', { exact: true }).fill('tiny:latest');
  await page.getByLabel('Base URL').fill(`${upstream.origin}/v1`);
  await page.getByRole('button', { name: 'Create agent' }).click();
  await expect(page.getByTestId('new-agent-made')).toContainText('Agent created.');
  await expect(page.getByTestId('file-agents/night_desk.yaml')).toBeVisible();
  await expect(page.getByTestId('problem-count')).toContainText('0 errors');
  await expect(editor(page)).toContainText('You answer at night.');
  await page.getByTestId('new-agent-made').getByRole('link', { name: 'chat with it' }).click();
  await expect(page.getByTestId('about-agent')).toContainText('tiny:latest');
  await say(page, 'Good evening');
  await expect(page.getByTestId('chat-line').last()).toHaveText('You said: Good evening');
  const asked = upstream.received.filter(({ url }) => url === '/v1/chat/completions').at(-1);
  expect(asked?.body).toContain('You answer at night.\\nSay \\"good night\\".');
});

test('a name that is taken makes no second agent', async ({ page, visit, project, serve, upstream, guard }) => {
  const text = agentOf(upstream.origin);
  project.write(file, text);
  const gateway = await serve(project.folder, { edit: true });
  await visit(gateway, '#/definition');
  // By keyboard alone.
  await expect(page.getByTestId('new-agent')).toBeVisible();
  await tabTo(page, page.getByTestId('new-agent'));
  await page.keyboard.press('Enter');
  await expect(page.getByTestId('new-agent-name')).toBeFocused();
  await page.keyboard.type('front_desk');
  await tabTo(page, page.getByTestId('new-agent-instructions'));
  await page.keyboard.type('Hello.');
  await tabTo(page, page.getByTestId('new-agent-model'));
  await page.keyboard.type('tiny');
  await page.keyboard.press('Enter');
  await expect(page.getByTestId('new-agent-dialog')).toContainText('There is an agent of this name.');

  // One that the list does not know yet is not written over.
  guard.allow('/v1/definitions/agents/late.yaml', 412);
  project.write('agents/late.yaml', text);
  await page.getByTestId('new-agent-name').fill('late');
  await page.getByTestId('new-agent-make').click();
  await expect(page.getByTestId('new-agent-refused')).toContainText('There is a file of this name.');
  expect(project.read('agents/late.yaml')).toBe(text);
  await page.keyboard.press('Escape');
  await expect(page.getByTestId('new-agent')).toBeFocused();
});

test('without --edit agents can be read and not made', async ({ page, visit, project, serve, upstream }) => {
  project.write(file, agentOf(upstream.origin));
  const gateway = await serve(project.folder);
  await visit(gateway, place);
  await expect(page.getByTestId('read-only')).toBeVisible();
  await expect(editor(page)).toContainText('Answers for the shop.');
  await expect(page.getByTestId('new-agent')).toBeHidden();
});
