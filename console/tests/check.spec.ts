// Check: the problems of the project as somebody edits it on disk.
import { expect, test } from './support/fixtures';
import type { Gateway } from './support/gateway';
import { addKey } from './support/project';

const broken = `name: broken_action
description: Has a mistake in line 3.
connection: nowhere
path: /orders
`;

/** Valid, but for a warning in line 4. */
const doubtful = `name: doubtful_action
description: Reads a parameter that is not there.
connection: orders
path: /orders/{{.parameters.nobody}}
`;

let gateway: Gateway;

test.describe('a project', () => {
  test.beforeEach(async ({ project, serve }) => {
    gateway = await serve(project.folder);
  });

  test('a whole project has no problems', async ({ page, visit }) => {
    await visit(gateway, '#/check');
    await expect(page.getByTestId('no-problems')).toBeVisible();
    await expect(page.getByTestId('check-counts')).toHaveText('no problems');
    await expect(page.getByTestId('check-announcement')).toContainText('Running version: no problems.');
  });

  test('a mistake on disk is shown where it is, and goes when it is mended', async ({ page, visit, project }) => {
    await visit(gateway, '#/check');
    await expect(page.getByTestId('no-problems')).toBeVisible();
    project.write('actions/broken_action.yaml', broken);

    const refused = page.getByTestId('check-refused');
    await expect(refused).toBeVisible();
    await expect(refused.getByRole('heading', { name: 'Your last save was not applied.' })).toBeVisible();
    await expect(refused).toContainText(/The gateway still uses the version from \d\d:\d\d\./);
    await expect(page.getByTestId('check-announcement')).toContainText('Your last save was not applied: 1 error');
    const problem = refused.getByTestId('problem');
    await expect(problem).toHaveCount(1);
    await expect(problem).toContainText('Error');
    await expect(problem).toContainText(/3:\d+/);
    await expect(problem).toContainText('nowhere');
    await expect(refused.getByRole('heading', { name: 'actions/broken_action.yaml' })).toBeVisible();
    // The running version is as it was.
    await expect(page.getByTestId('no-problems')).toBeVisible();

    await problem.getByTestId('problem-link').click();
    await expect(page).toHaveURL(/#\/definition\/actions\/broken_action\.yaml\?line=3&column=\d+$/);
    await page.getByTestId('nav-check').click();

    project.remove('actions/broken_action.yaml');
    await expect(page.getByTestId('check-refused')).toBeHidden();
    await expect(page.getByTestId('check-announcement')).toHaveText('Running version: no problems.');
  });

  test('every screen says that a save on disk was not applied', async ({ page, visit, project }) => {
    await visit(gateway, '#/health');
    await expect(page.getByTestId('health-screen')).toBeVisible();
    await expect(page.getByTestId('nav-check-count')).toHaveCount(0);
    project.write('actions/broken_action.yaml', broken);

    await expect(page.getByRole('link', { name: 'Check (last save not applied: 1 error)' })).toBeVisible();
    const notice = page.getByTestId('refused-notice');
    for (const screen of ['try', 'live', 'definition', 'health']) {
      await page.getByTestId(`nav-${screen}`).click();
      await expect(notice).toContainText(
        'Your last save was not applied: the project has 1 error. The gateway still uses the earlier version.',
      );
    }
    await page.getByTestId('refused-notice-check').click();
    await expect(page.getByTestId('check-refused')).toBeVisible();
    await expect(notice).toBeHidden();
    await expect(page.getByTestId('nav-check-count')).toContainText('1');

    project.remove('actions/broken_action.yaml');
    await expect(page.getByTestId('nav-check-count')).toHaveCount(0);
  });

  test('"Reload now" reads the project, and says when it refuses', async ({ page, visit, project, guard }) => {
    guard.allow('/admin/reload', 422);
    await visit(gateway, '#/check');
    await page.getByRole('button', { name: 'Reload now' }).click();
    await expect(page.getByTestId('reload-outcome')).toHaveText('The project was read again.');
    project.write('actions/broken_action.yaml', broken);
    await page.getByRole('button', { name: 'Reload now' }).click();
    await expect(page.getByTestId('reload-outcome')).toHaveText('Not applied. The gateway still uses the earlier version.');
    await expect(page.getByTestId('check-refused')).toBeVisible();
  });

  test('warnings have their word and their hint', async ({ page, visit, project }) => {
    project.write('actions/doubtful_action.yaml', doubtful);
    await visit(gateway, '#/check');
    const problem = page.getByTestId('problems').getByTestId('problem').first();
    await expect(problem).toContainText('Warning');
    await expect(problem).toContainText('4:17');
    await expect(problem).toContainText('unknown_parameter');
    await expect(problem).toContainText('declare `nobody` under `parameters` or `bind`');
    await expect(page.getByTestId('check-counts')).toHaveText('1 warning');
  });

  test('nothing is asked while the tab is hidden or another screen is shown', async ({ page, visit }) => {
    let asked = 0;
    page.on('request', (request) => {
      if (request.url().endsWith('/v1/problems')) asked += 1;
    });
    const unchanged = () =>
      page.waitForResponse((response) => response.url().endsWith('/v1/problems') && response.status() === 304);
    await visit(gateway, '#/check');
    await unchanged();
    await unchanged();
    await page.getByTestId('nav-health').click();
    await expect(page.getByTestId('health-screen')).toBeVisible();
    const before = asked;
    // Two rounds of another screen's questions pass.
    await page.waitForResponse((response) => response.url().endsWith('/v1/status'));
    await page.waitForResponse((response) => response.url().endsWith('/v1/status'));
    expect(asked).toBe(before);
  });
});

test('a key that is not an admin’s is told which key it takes', async ({ page, project, serve, guard }) => {
  guard.allow('/v1/problems', 403);
  const key = addKey(project, 'caller');
  const adminKey = addKey(project, 'developer', { admin: true });
  const keyed = await serve(project.folder);
  await page.goto(`${keyed.consoleUrl}#key=${key}`);
  await page.getByTestId('nav-check').click();
  await expect(page.getByTestId('check-failure')).toContainText('You need an admin key (admin = true) to see this.');
  await expect(page.getByTestId('problems')).toBeHidden();

  await page.getByTestId('use-another-key').click();
  await expect(page.getByRole('dialog', { name: 'Enter a key' })).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(page.getByTestId('key-prompt')).toBeHidden();
  await page.getByTestId('use-another-key').click();
  await page.getByLabel('Key', { exact: true }).fill(adminKey);
  await page.getByTestId('key-use').click();
  await expect(page.getByTestId('check-counts')).toBeVisible();
});
