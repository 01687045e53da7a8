/**
 * The three Compose files that everybody begins with, as plain `run` commands and through Debian's docker-compose:
 * PostgreSQL on a named volume, nginx serving a read-only bind, a Node program with bind, volume and tmpfs.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createDockerCli, until, type CliResult, type DockerCli } from '../clients/docker-cli.ts';
import { freePort } from '../clients/host.ts';
import { startEngine, type TestEngine } from '../rig.ts';

const image = 'gantry-test/programs:1';
const skip =
  process.getuid?.() !== 0 ? 'needs root: containers with an engine of their own'
  : !existsSync('/usr/bin/mmdebstrap') ? 'mmdebstrap is not installed: there is no image with PostgreSQL, nginx and Node'
  : false;
const withCompose = existsSync('/usr/bin/docker-compose') ? false : 'docker-compose is not installed';

describe('programs with volumes', { skip }, () => {
  let engine: TestEngine;
  let docker: DockerCli;
  let scratch: string;
  let port: number;

  before(async () => {
    engine = await startEngine();
    docker = createDockerCli(engine.url);
    scratch = mkdtempSync(join(tmpdir(), 'gantry-programs-'));
    port = await freePort();
    // The same Debian as this machine's, by the mirrors that this machine uses.
    const root = join(scratch, 'debian.tar');
    execFileSync('mmdebstrap', ['--variant=minbase', '--include=postgresql,nginx-light,libatomic1,libstdc++6', '--dpkgopt=path-exclude=/usr/share/doc/*', '--dpkgopt=path-exclude=/usr/share/locale/*', suite(), root], { stdio: 'ignore', timeout: 300_000 });
    await docker.ok(['import', root, 'gantry-test/programs:base']);
    rmSync(root);
    // Node as this test has it.
    await docker.ok(['create', '--name', 'builder', 'gantry-test/programs:base', 'true']);
    await docker.ok(['cp', process.execPath, 'builder:/usr/local/bin/node']);
    const postgres = join(scratch, 'postgres.sh');
    writeFileSync(postgres, [
      '#!/bin/sh', '# Like the official image: makes the cluster in an empty folder, then serves it.', 'set -e', 'bin=$(ls -d /usr/lib/postgresql/*/bin)', 'data=/var/lib/postgresql/data',
      'chown postgres "$data"; chmod 700 "$data"',
      'if [ ! -s "$data/PG_VERSION" ]; then setpriv --reuid=postgres --regid=postgres --clear-groups "$bin/initdb" -D "$data" -A trust -U "$POSTGRES_USER" >/dev/null; fi',
      'mkdir -p /var/run/postgresql; chown postgres /var/run/postgresql',
      'exec setpriv --reuid=postgres --regid=postgres --clear-groups "$bin/postgres" -D "$data" -c fsync=off', '',
    ].join('\n'), { mode: 0o755 });
    await docker.ok(['cp', postgres, 'builder:/usr/local/bin/serve-postgres']);
    await docker.ok(['commit', 'builder', image]);
    await docker.ok(['rm', 'builder']);

    mkdirSync(join(scratch, 'html'));
    writeFileSync(join(scratch, 'html/index.html'), 'hello from a bind\n');
    mkdirSync(join(scratch, 'src'));
    writeFileSync(join(scratch, 'src/app.js'), `
      const fs = require('node:fs');
      const count = fs.existsSync('data/count') ? Number(fs.readFileSync('data/count', 'utf8')) + 1 : 1;
      fs.writeFileSync('data/count', String(count));
      fs.writeFileSync('/tmp/scratch', 'gone with the container');
      const isTmpfs = /^\\S+ \\/tmp tmpfs /m.test(fs.readFileSync('/proc/mounts', 'utf8'));
      require('node:http').createServer((_, response) => response.end(JSON.stringify({ count, isTmpfs }))).listen(3000);
      process.on('SIGTERM', () => process.exit(0));
    `);
  });
  after(async () => {
    await engine.stop();
    rmSync(scratch, { recursive: true, force: true });
  });

  const psql = (container: string, sql: string): Promise<CliResult> => docker(['exec', '-u', 'postgres', container, 'psql', '-qtA', '-U', 'user', '-d', 'postgres', '-c', sql]);
  const ready = (container: string): Promise<void> => until(async () => (await psql(container, 'select 1')).code === 0, 60_000);
  const fetched = async (): Promise<string> => {
    let text = '';
    await until(async () => {
      try {
        text = await (await fetch(`http://127.0.0.1:${port}/`)).text();
        return true;
      } catch {
        return false;
      }
    });
    return text;
  };

  describe('as plain run commands', () => {
    test('PostgreSQL: its data outlives rm', async () => {
      const run = ['run', '-d', '--name', 'my_postgres', '-e', 'POSTGRES_USER=user', '-v', 'db_data:/var/lib/postgresql/data', image, 'serve-postgres'];
      await docker.ok(run);
      await ready('my_postgres');
      assert.equal((await psql('my_postgres', "create table notes (text text); insert into notes values ('kept');")).code, 0);
      await docker.ok(['stop', 'my_postgres']);
      await docker.ok(['rm', 'my_postgres']);
      await docker.ok(run);
      await ready('my_postgres');
      assert.equal((await psql('my_postgres', 'select text from notes')).stdout, 'kept\n');
      await docker.ok(['rm', '-f', 'my_postgres']);
      await docker.ok(['volume', 'rm', 'db_data']);
    });

    test('nginx: a read-only bind is served, and follows the host', async () => {
      await docker.ok(['run', '-d', '--name', 'web', '-p', `127.0.0.1:${port}:80`, '-v', `${join(scratch, 'html')}:/var/www/html:ro`, image, 'nginx', '-g', 'daemon off;']);
      assert.equal(await fetched(), 'hello from a bind\n');
      writeFileSync(join(scratch, 'html/index.html'), 'changed\n');
      assert.equal(await fetched(), 'changed\n');
      assert.match((await docker(['exec', 'web', 'touch', '/var/www/html/x'])).stderr, /Read-only file system/);
      await docker.ok(['rm', '-f', 'web']);
      writeFileSync(join(scratch, 'html/index.html'), 'hello from a bind\n');
    });

    test('Node: a bind for the source, a volume for data below it, a tmpfs for the rest', async () => {
      const run = ['run', '-d', '--name', 'app', '-p', `127.0.0.1:${port}:3000`, '-w', '/usr/src/app', '-v', `${join(scratch, 'src')}:/usr/src/app`, '-v', 'app_data:/usr/src/app/data', '--tmpfs', '/tmp', image, 'node', 'app.js'];
      for (const count of [1, 2]) {
        await docker.ok(run);
        assert.deepEqual(JSON.parse(await fetched()), { count, isTmpfs: true });
        await docker.ok(['rm', '-f', 'app']);
      }
      await docker.ok(['volume', 'rm', 'app_data']);
      assert.equal(existsSync(join(scratch, 'src/data/count')), false, 'the data is the volume’s');
    });
  });

  describe('through docker-compose', { skip: withCompose }, () => {
    const compose = (project: string, ...args: string[]): Promise<CliResult> => {
      const child = spawn('docker-compose', ['-f', join(scratch, `${project}.yml`), '-p', project, ...args], { env: { ...process.env, DOCKER_HOST: engine.url, COMPOSE_HTTP_TIMEOUT: '120' }, stdio: ['ignore', 'pipe', 'pipe'] });
      let [stdout, stderr] = ['', ''];
      child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
      child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
      return new Promise((resolve, reject) => child.on('error', reject).on('close', (code) => resolve({ code: code ?? -1, stdout, stderr })));
    };
    const up = async (project: string, file: string): Promise<void> => {
      writeFileSync(join(scratch, `${project}.yml`), file);
      const { code, stderr } = await compose(project, 'up', '-d');
      assert.equal(code, 0, stderr);
    };
    const down = async (project: string, ...flags: string[]): Promise<void> => {
      const { code, stderr } = await compose(project, 'down', '-t', '2', ...flags);
      assert.equal(code, 0, stderr);
    };

    test('PostgreSQL', async () => {
      const file = `version: "3.9"
services:
  db:
    image: ${image}
    command: serve-postgres
    container_name: my_postgres
    environment:
      POSTGRES_USER: user
    volumes:
      - db_data:/var/lib/postgresql/data
volumes:
  db_data:
`;
      await up('pg', file);
      await ready('my_postgres');
      assert.equal((await psql('my_postgres', "create table notes (text text); insert into notes values ('composed');")).code, 0);
      await down('pg');
      await up('pg', file);
      await ready('my_postgres');
      assert.equal((await psql('my_postgres', 'select text from notes')).stdout, 'composed\n');
      assert.match((await docker.ok(['volume', 'inspect', 'pg_db_data'])).stdout, /"com.docker.compose.volume": "db_data"/);
      await down('pg', '-v');
      assert.equal((await docker.ok(['volume', 'ls', '-q'])).stdout, '');
    });

    test('nginx', async () => {
      await up('web', `version: "3.9"
services:
  web:
    image: ${image}
    command: ["nginx", "-g", "daemon off;"]
    ports:
      - "127.0.0.1:${port}:80"
    volumes:
      - ./html:/var/www/html:ro
`);
      assert.equal(await fetched(), 'hello from a bind\n');
      await down('web');
    });

    test('Node', async () => {
      const file = `version: "3.9"
services:
  app:
    image: ${image}
    command: node app.js
    working_dir: /usr/src/app
    volumes:
      - ./src:/usr/src/app
      - app_data:/usr/src/app/data
      - type: tmpfs
        target: /tmp
    ports:
      - "127.0.0.1:${port}:3000"
volumes:
  app_data:
`;
      for (const count of [1, 2]) {
        await up('app', file);
        assert.deepEqual(JSON.parse(await fetched()), { count, isTmpfs: true });
        await down('app');
      }
      await down('app', '-v');
      assert.equal((await docker.ok(['volume', 'ls', '-q'])).stdout, '');
    });
  });
});

function suite(): string {
  return /^VERSION_CODENAME=(\w+)$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'stable';
}
