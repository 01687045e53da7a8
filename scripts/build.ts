/**
 * Builds dist/: the programs (gantry, daemon, keeper), one file each, their worker threads, and the typed client.
 * CommonJS: it starts some 8 ms sooner than modules do. koffi stays outside, it carries native code.
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync, globSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { build, type BuildOptions } from 'esbuild';

const root = join(import.meta.dirname, '..');
const out = join(root, 'dist');
// Built aside and renamed: engines may start from dist at any moment.
const aside = join(out, `.new-${process.pid}`);

const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
const constants = { GANTRY_VERSION: version, GANTRY_COMMIT: commit(), GANTRY_BUILD_TIME: new Date().toISOString() };

const common: BuildOptions = {
  bundle: true,
  platform: 'node',
  target: 'node26',
  format: 'cjs',
  external: ['koffi'],
  outdir: aside,
  define: {
    GANTRY_BUNDLE: 'true',
    'import.meta.url': '__moduleUrl',
    ...Object.fromEntries(Object.entries(constants).map(([name, value]) => [name, JSON.stringify(value)])),
  },
  banner: { js: "const __moduleUrl = require('node:url').pathToFileURL(__filename).href;" },
  minifySyntax: true,
  minifyWhitespace: true,
  logLevel: 'warning',
  absWorkingDir: root,
};

mkdirSync(aside, { recursive: true });
const workers = globSync('src/*/**/*.worker.ts', { cwd: root });
await Promise.all([
  build({ ...common, entryPoints: { gantry: 'src/gantry.ts', daemon: 'src/daemon.ts', keeper: 'src/keeper.ts', resolver: 'src/resolver.ts', client: 'src/api/client/library.ts' } }),
  build({ ...common, entryPoints: workers.map((path) => ({ in: path, out: basename(path, '.ts') })) }),
]);
for (const script of ['keeper.sh', 'resolver.sh']) copyFileSync(join(root, 'src', script), join(aside, script));
writeFileSync(join(aside, 'package.json'), '{"type":"commonjs"}\n');
const made = readdirSync(aside);
for (const name of made) renameSync(join(aside, name), join(out, name));
rmSync(aside, { recursive: true });
for (const stale of globSync('*.js', { cwd: out })) if (!made.includes(stale)) rmSync(join(out, stale));
if (process.argv.includes('--package')) writeTypes();

/** The client's declarations, with paths that need no import map. */
function writeTypes(): void {
  execFileSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-b', 'src/api'], { cwd: root, stdio: 'inherit' });
  const types = join(root, '.cache/types');
  rmSync(join(out, 'types'), { recursive: true, force: true });
  for (const path of globSync('{base,spec,api}/**/*.d.ts', { cwd: types, exclude: ['**/*.test.d.ts', 'api/server/**'] })) {
    const up = relative(dirname(path), '.');
    const text = readFileSync(join(types, path), 'utf8').replaceAll(/(['"])(#|\.\.?\/)([^'"]+)\.ts\1/g, (_, quote: string, start: string, rest: string) => `${quote}${start === '#' ? `${up}/` : start}${rest}.js${quote}`);
    mkdirSync(dirname(join(out, 'types', path)), { recursive: true });
    writeFileSync(join(out, 'types', path), text);
  }
}

/** Short, as docker prints it; `unknown` outside a checkout. */
function commit(): string {
  try {
    return execFileSync('git', ['rev-parse', '--short=7', 'HEAD'], { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return 'unknown';
  }
}
