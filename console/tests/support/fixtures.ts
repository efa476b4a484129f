import { expect, test as base, type Page } from '@playwright/test';
import { serve, startDemo, type Gateway } from './gateway';
import { Guard } from './guard';
import { makeProject, removeProject, type Project } from './project';
import { startUpstream, type Upstream } from './upstream';

export { expect } from '@playwright/test';
export type { Page } from '@playwright/test';

interface TestFixtures {
  /** Stops and removes after the page is closed, so that the page does not see it. */
  leftovers: (() => Promise<void> | void)[];
  /** Serves a project until the test has ended. */
  serve: typeof serve;
  guard: Guard;
  /** Goes to a fragment of the console of a gateway and waits for its frame. */
  visit: (gateway: Gateway, fragment?: string, page?: Page) => Promise<void>;
  /** A project whose connection leads to the hostile upstream. */
  project: Project;
}

interface WorkerFixtures {
  /** `callgate demo`, for tests that change nothing in its project. */
  demo: Gateway;
  upstream: Upstream;
}

export const test = base.extend<TestFixtures, WorkerFixtures>({
  demo: [
    async ({}, use) => {
      const gateway = await startDemo();
      await use(gateway);
      await gateway.stop();
    },
    { scope: 'worker' },
  ],

  upstream: [
    async ({}, use) => {
      const upstream = await startUpstream();
      await use(upstream);
      await upstream.stop();
    },
    { scope: 'worker' },
  ],

  leftovers: async ({}, use) => {
    const leftovers: TestFixtures['leftovers'] = [];
    await use(leftovers);
    for (const leftover of leftovers.reverse()) await leftover();
  },

  guard: [
    async ({ leftovers, context }, use) => {
      void leftovers;
      const guard = new Guard();
      await guard.watch(context);
      await use(guard);
      expect(guard.found(), 'nothing goes wrong in the page unseen').toEqual([]);
    },
    { auto: true },
  ],

  visit: async ({ page: own }, use) => {
    await use(async (gateway, fragment = '', page = own) => {
      await page.goto(`${gateway.consoleUrl}${fragment}`);
      await expect(page.getByRole('navigation', { name: 'Screens' })).toBeVisible();
    });
  },

  serve: async ({ leftovers }, use) => {
    await use(async (folder, options) => {
      const gateway = await serve(folder, options);
      leftovers.push(() => gateway.stop());
      return gateway;
    });
  },

  project: async ({ leftovers, upstream }, use) => {
    const project = makeProject(upstream.origin);
    leftovers.push(() => removeProject(project));
    await use(project);
  },
});
