// Tests of the console in a browser, against the gateway that `cargo build` makes. Settings are variables of the environment:
// CALLGATE_BIN            the gateway; target/debug/callgate by default
// CONSOLE_DIST            a build of the console to show in place of the one in the gateway, which needs no cargo build
// CHROMIUM                the browser; /usr/bin/chromium by default
// CONSOLE_SCREENSHOTS=1   write the pictures of docs/images
// CONSOLE_TRACES=1        keep a trace of each test that fails
// CONSOLE_LONGEST_TASK_MS how long the page may keep the processor busy without a pause; 2000 by default
import { defineConfig } from '@playwright/test';

export default defineConfig({
  testDir: 'tests',
  testMatch: '*.spec.ts',
  outputDir: 'test-results',
  fullyParallel: false,
  workers: 2,
  retries: 0,
  forbidOnly: Boolean(process.env.CI),
  // Long enough for a machine that is busy with other work; no test waits for them.
  timeout: 120_000,
  expect: { timeout: 30_000 },
  reporter: [['list']],
  use: {
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'],
    },
    viewport: { width: 1280, height: 860 },
    locale: 'en-GB',
    timezoneId: 'UTC',
    contextOptions: { reducedMotion: 'reduce' },
    permissions: ['clipboard-read', 'clipboard-write'],
    // Traces are recorded for tests that pass as well, which takes a good part of their time.
    trace: process.env.CONSOLE_TRACES === '1' ? 'retain-on-failure' : 'off',
    screenshot: 'only-on-failure',
  },
});
