// Builds the console into dist/: one page, its style and its scripts, each under a name that holds a hash of its content.
// The same sources always give the same bytes. `--watch` builds again at every change.
import { build, context } from 'esbuild';
import { readFileSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const here = path.dirname(fileURLToPath(import.meta.url));
const dist = path.join(here, 'dist');
const FIRST_SCREEN_LIMIT = 60_000;
const ALL_LIMIT = 300_000;

/** @type {import('esbuild').BuildOptions} */
const options = {
  absWorkingDir: here,
  entryPoints: ['src/main.tsx'],
  outdir: 'dist',
  bundle: true,
  splitting: true,
  format: 'esm',
  target: 'es2022',
  minify: true,
  charset: 'utf8',
  legalComments: 'none',
  jsx: 'automatic',
  jsxImportSource: 'preact',
  entryNames: '[name]-[hash]',
  chunkNames: '[name]-[hash]',
  metafile: true,
  write: false,
  logLevel: 'warning',
};

/** The scripts that the browser loads for `output` before it runs. */
function withStaticImports(outputs, output, found = new Set()) {
  if (found.has(output)) return found;
  found.add(output);
  for (const { path: imported, kind } of outputs[output].imports) {
    if (kind === 'import-statement') withStaticImports(outputs, imported, found);
  }
  return found;
}

function outputOf(outputs, source) {
  const found = Object.entries(outputs).find(([, output]) => output.entryPoint === source);
  if (!found) throw new Error(`The build has no output of ${source}.`);
  return found[0];
}

function page(script, style, preload) {
  const icon =
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Crect width='16' height='16' rx='4' fill='%234453c9'/%3E%3Cpath d='M11 5.6A4 4 0 1 0 11 10.4M7 8h6' stroke='white' stroke-width='1.8' fill='none' stroke-linecap='round'/%3E%3C/svg%3E";
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>Callgate console</title>
<link rel="icon" href="${icon}">
<link rel="stylesheet" href="${style}">
${preload.map((name) => `<link rel="modulepreload" href="${name}">\n`).join('')}<script type="module" src="${script}"></script>
</head>
<body>
<div id="app"></div>
<noscript>The console needs JavaScript.</noscript>
</body>
</html>
`;
}

/** The licences of the packages that are in the bundle, as their terms ask for. */
function licences(inputs) {
  const packages = new Set();
  for (const input of Object.keys(inputs)) {
    const match = /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input);
    if (match) packages.add(match[1]);
  }
  return [...packages]
    .sort()
    .map((name) => {
      const folder = path.join(here, 'node_modules', name);
      const { version } = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'));
      return `${name} ${version}\n\n${readFileSync(path.join(folder, 'LICENSE'), 'utf8').trim()}\n`;
    })
    .join(`\n${'-'.repeat(80)}\n\n`);
}

function report(files, first) {
  const sizes = files.map(({ name, bytes }) => ({
    name,
    raw: bytes.length,
    packed: gzipSync(bytes, { level: 9 }).length,
  }));
  const sum = (list) => list.reduce((total, { packed }) => total + packed, 0);
  for (const { name, raw, packed } of sizes) {
    console.log(`${String(raw).padStart(8)} ${String(packed).padStart(8)}  ${first.has(name) ? '*' : ' '} ${name}`);
  }
  const firstScreen = sum(sizes.filter(({ name }) => first.has(name)));
  const all = sum(sizes.filter(({ name }) => name !== 'licenses.txt'));
  console.log(`first screen (*): ${firstScreen} of ${FIRST_SCREEN_LIMIT} bytes gzipped; all: ${all} of ${ALL_LIMIT}`);
  return firstScreen <= FIRST_SCREEN_LIMIT && all <= ALL_LIMIT;
}

async function write({ metafile, outputFiles }) {
  const outputs = metafile.outputs;
  const main = outputOf(outputs, 'src/main.tsx');
  const style = outputs[main].cssBundle;
  const name = (output) => path.basename(output);
  const started = withStaticImports(outputs, main);
  const preload = [...started]
    .filter((output) => output !== main)
    .map(name)
    .sort();
  const files = outputFiles.map(({ path: file, contents }) => ({ name: name(file), bytes: Buffer.from(contents) }));
  files.push({ name: 'index.html', bytes: Buffer.from(page(name(main), name(style), preload)) });
  files.push({ name: 'licenses.txt', bytes: Buffer.from(licences(metafile.inputs)) });
  files.sort((a, b) => (a.name < b.name ? -1 : 1));

  await rm(dist, { recursive: true, force: true });
  await mkdir(dist, { recursive: true });
  for (const file of files) await writeFile(path.join(dist, file.name), file.bytes);

  const first = withStaticImports(outputs, outputOf(outputs, 'src/screens/try/index.tsx'), started);
  return report(files, new Set([...first].map(name).concat('index.html', name(style))));
}

if (process.argv.includes('--watch')) {
  const plugin = {
    name: 'write',
    setup(builder) {
      builder.onEnd(async (result) => {
        if (result.errors.length === 0) await write(result);
      });
    },
  };
  await (await context({ ...options, plugins: [plugin] })).watch();
} else {
  const fits = await write(await build(options));
  if (!fits) {
    console.error('The console is larger than it may be.');
    process.exitCode = 1;
  }
}
