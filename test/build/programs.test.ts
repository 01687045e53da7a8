/** Images of real programs. RUN uses the machine's own network where it fetches packages: whatever reaches them from here does. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { until } from '../clients/docker-cli.ts';
import { buildRig, needsRoot } from './rig.ts';

const rig = buildRig({ images: needsRoot.skip === false ? ['debian'] : [] });
const hostNetwork = ['--network=host', '--allow=network.host'];
const apt = (packages: string): string => `RUN --mount=type=cache,target=/var/cache/apt,sharing=locked apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends ${packages} > /dev/null && rm -rf /var/lib/apt/lists/*`;

async function build(folder: string, ...args: string[]): Promise<void> {
  const { code, stderr } = await rig.gantry('build', '--progress=plain', ...hostNetwork, ...args, folder);
  assert.equal(code, 0, stderr.slice(-4000));
}

test('a C program in two stages: a static binary in an image without a shell', needsRoot, async () => {
  const folder = rig.context({
    'main.c': '#include <stdio.h>\nint main(int argc, char **argv) { printf("%s from C\\n", argc > 1 ? argv[1] : "hello"); return 0; }\n',
    Dockerfile: `FROM debian AS make\n${apt('gcc libc6-dev')}\nWORKDIR /src\nCOPY main.c .\nRUN gcc -O2 -static -o /hello main.c\nFROM scratch\nCOPY --from=make /hello /hello\nENTRYPOINT ["/hello"]\n`,
  });
  await build(folder, '-t', 'c');
  assert.equal((await rig.docker('run', '--rm', '--network=none', 'c')).stdout, 'hello from C\n');
  assert.equal((await rig.docker('run', '--rm', '--network=none', 'c', 'greetings')).stdout, 'greetings from C\n');
  assert.notEqual((await rig.docker('run', '--rm', '--network=none', '--entrypoint', '/bin/sh', 'c')).code, 0);
});

test('a Node program with npm ci through a cache mount, in an image without a shell', needsRoot, async () => {
  const node = dirname(dirname(realpathSync(process.execPath)));
  const npm = dirname(dirname(realpathSync(execFileSync('sh', ['-c', 'command -v npm'], { encoding: 'utf8' }).trim())));
  const folder = rig.context({
    'package.json': JSON.stringify({ name: 'app', version: '1.0.0', private: true, dependencies: { 'is-odd': '3.0.1' } }),
    'package-lock.json': JSON.stringify(lockFile()),
    'app.js': "console.log(require('is-odd')(7) ? 'odd' : 'even');\n",
    '.dockerignore': 'node_modules\n',
    Dockerfile: [
      'FROM debian AS make', apt('libatomic1 libstdc++6'), 'COPY --from=node bin/node /usr/local/bin/node', 'WORKDIR /app', 'COPY package.json package-lock.json ./',
      'RUN --mount=type=cache,target=/root/.npm --mount=type=bind,from=npm,target=/opt/npm --mount=type=bind,from=certificates,target=/etc/ssl/certs \\',
      '    --mount=type=secret,id=npmrc,target=/root/.npmrc --mount=type=secret,id=globalrc,target=/usr/local/etc/npmrc \\',
      '    NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt node /opt/npm/bin/npm-cli.js ci --no-audit --no-fund', 'COPY app.js .',
      'FROM scratch', 'COPY --from=make /usr/local/bin/node /node', 'COPY --from=make /lib/x86_64-linux-gn[u] /lib/x86_64-linux-gnu/', 'COPY --from=make /lib/aarch64-linux-gn[u] /lib/aarch64-linux-gnu/',
      'COPY --from=make /usr/lib/x86_64-linux-gnu/libstdc++.so.[6] /usr/lib/x86_64-linux-gnu/libatomic.so.[1] /usr/lib/aarch64-linux-gnu/libatomic.so.[1] /usr/lib/',
      'COPY --from=make /lib6[4] /lib64/', 'COPY --from=make /lib/ld-linux* /lib/', 'COPY --from=make /app /app', 'CMD ["/node", "/app/app.js"]',
    ].join('\n'),
  });
  const files = [['npmrc', join(homedir(), '.npmrc')], ['globalrc', npmConfig('globalconfig')]] as const;
  const secrets = files.filter(([, path]) => existsSync(path)).flatMap(([id, path]) => ['--secret', `id=${id},src=${path}`]);
  await build(folder, `--build-context=node=${node}`, `--build-context=npm=${npm}`, '--build-context=certificates=/etc/ssl/certs', ...secrets, ...proxyArguments(), '-t', 'node-app');
  assert.equal((await rig.docker('run', '--rm', '--network=none', 'node-app')).stdout, 'odd\n');
  const layers = (await rig.docker('history', '--no-trunc', 'node-app')).stdout;
  for (const [, path] of files) if (existsSync(path)) assert.equal(readFileSync(path, 'utf8').trim() !== '' && layers.includes(readFileSync(path, 'utf8').trim()), false);
});

test('nginx from Debian packages serves, as a user without rights', needsRoot, async () => {
  const folder = rig.context({
    'index.html': 'served\n',
    'entrypoint.sh': '#!/bin/sh\nset -e\nchown www-data /var/lib/nginx /var/log/nginx\nexec setpriv --reuid=www-data --regid=www-data --clear-groups "$@"\n',
    'nginx.conf': 'pid /tmp/nginx.pid;\nevents {}\nhttp { access_log off; client_body_temp_path /tmp/body; server { listen 8080; root /srv; } }\n',
    Dockerfile: `FROM debian\n${apt('nginx-light')}\nCOPY nginx.conf /etc/nginx/nginx.conf\nCOPY index.html /srv/\nCOPY --chmod=755 entrypoint.sh /\nEXPOSE 8080\nENTRYPOINT ["/entrypoint.sh"]\nCMD ["nginx", "-e", "/tmp/error.log", "-g", "daemon off;"]\n`,
  });
  await build(folder, '-t', 'web');
  const id = (await rig.docker('run', '-d', '-p', '127.0.0.1::8080', 'web')).stdout.trim();
  const port = /:(\d+)/.exec((await rig.docker('port', id, '8080')).stdout)?.[1] ?? '';
  await until(async () => (await fetch(`http://127.0.0.1:${port}/`).then((answer) => answer.text(), () => '')) === 'served\n');
  assert.match((await rig.docker('exec', id, 'sh', '-c', 'grep ^Uid: /proc/1/status')).stdout, /\t33\t/);
  await rig.docker('rm', '-f', id);
});

test('PostgreSQL from Debian packages: an entrypoint makes its data and drops privileges', needsRoot, async () => {
  const folder = rig.context({
    'entrypoint.sh': [
      '#!/bin/sh', 'set -e', 'bin=$(echo /usr/lib/postgresql/*/bin)', 'if [ "$(id -u)" = 0 ]; then mkdir -p "$PGDATA" && chown -R postgres "$PGDATA" && exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"; fi',
      'if [ ! -s "$PGDATA/PG_VERSION" ]; then "$bin/initdb" -D "$PGDATA" -A trust --no-sync > /dev/null; fi', 'exec "$bin/postgres" -D "$PGDATA" -k /tmp "$@"', '',
    ].join('\n'),
    Dockerfile: `FROM debian\n${apt('postgresql')}\nENV PGDATA=/data/db\nVOLUME /data\nCOPY --chmod=755 entrypoint.sh /\nENTRYPOINT ["/entrypoint.sh"]\nSTOPSIGNAL SIGINT\n`,
  });
  await build(folder, '-t', 'db');
  const id = (await rig.docker('run', '-d', '--network=none', 'db')).stdout.trim();
  await until(async () => (await rig.docker('exec', id, 'psql', '-h', '/tmp', '-U', 'postgres', '-Atc', 'select 6 * 7')).stdout === '42\n');
  assert.doesNotMatch((await rig.docker('exec', id, 'sh', '-c', 'grep ^Uid: /proc/1/status')).stdout, /Uid:\t0\t/);
  await rig.docker('rm', '-fv', id);
});

function npmConfig(key: string): string {
  return execFileSync('npm', ['config', 'get', key], { encoding: 'utf8' }).trim();
}

/** Proxies of this machine reach the step as predefined arguments, which are in no layer and no key. */
function proxyArguments(): string[] {
  return ['http_proxy', 'https_proxy', 'no_proxy'].filter((name) => process.env[name] !== undefined).flatMap((name) => ['--build-arg', name]);
}

function lockFile(): unknown {
  const entry = (name: string, version: string, dependencies?: Record<string, string>): unknown => ({ version, resolved: `https://registry.npmjs.org/${name}/-/${name}-${version}.tgz`, ...(dependencies === undefined ? {} : { dependencies }) });
  return {
    name: 'app', version: '1.0.0', lockfileVersion: 3, requires: true,
    packages: {
      '': { name: 'app', version: '1.0.0', dependencies: { 'is-odd': '3.0.1' } },
      'node_modules/is-number': entry('is-number', '6.0.0'),
      'node_modules/is-odd': entry('is-odd', '3.0.1', { 'is-number': '^6.0.0' }),
    },
  };
}
