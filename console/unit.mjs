// Runs the tests of modules that need no browser: bundles src/**/*.test.ts and hands them to `node --test`.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';

const root = fileURLToPath(new URL('.', import.meta.url));
const entryPoints = readdirSync(join(root, 'src'), { recursive: true })
  .filter((file) => /\.test\.tsx?$/.test(file))
  .map((file) => join(root, 'src', file))
  .sort();
const outdir = mkdtempSync(join(tmpdir(), 'console-unit-'));
try {
  await build({ entryPoints, outdir, bundle: true, platform: 'node', format: 'esm', outExtension: { '.js': '.mjs' } });
  const { status } = spawnSync(process.execPath, ['--test', outdir], { stdio: 'inherit' });
  process.exitCode = status ?? 1;
} finally {
  rmSync(outdir, { recursive: true, force: true });
}
