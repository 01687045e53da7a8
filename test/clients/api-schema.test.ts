/** Answers of the newest API version against Docker's own description of it, where that lies beside the project. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import { json } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { parse } from 'yaml';
import { complaints, type Definitions, type Schema } from './api-schema.ts';
import { createDockerCli, type DockerCli, until } from './docker-cli.ts';
import { clientHost, importBusybox } from './host.ts';

const description = new URL('../../../shared/spec/docker-engine-api-v1.55.yaml', import.meta.url);
const skip = existsSync(description) ? false : 'the description of the API is not here';
const image = 'gantry-test/schema:1';
const name = `gt-schema-${process.pid}`;
let docker: DockerCli;
let socketPath: string;
let release: () => Promise<void>;
let paths: Record<string, Record<string, { responses: Record<string, { schema?: Schema }> }>>;
let definitions: Definitions;

before(async () => {
  if (skip !== false) return;
  ({ paths, definitions } = parse(readFileSync(description, 'utf8')) as { paths: typeof paths; definitions: Definitions });
  const host = await clientHost();
  release = host.release;
  socketPath = host.url.replace('unix://', '');
  docker = createDockerCli(host.url);
  await importBusybox(docker, image);
  await docker.ok(['run', '-d', '--name', name, '-p', '127.0.0.1::80', '-v', `${name}:/data`, '--health-cmd', 'true', '--health-interval', '100ms', image, 'sleep', '100000']);
  await until(async () => (await docker.format(name, '{{.State.Health.Status}}')) === 'healthy');
});
after(async () => {
  if (skip !== false) return;
  await docker(['rm', '-fv', name]);
  await docker(['volume', 'rm', name]);
  await docker(['rmi', image]);
  await release();
});

function get(path: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    request({ socketPath, path: `/v1.55${path}` }, (response) => {
      if (response.statusCode === 200) json(response).then(resolve, reject);
      else reject(new Error(`${path}: ${response.statusCode}`));
    })
      .on('error', reject)
      .end();
  });
}

/** Members that newer descriptions dropped and scripts still read, and one that Docker itself sends against its description. */
const excused = [
  /^\$\.NetworkSettings\.\w+ is unknown$/,
  /^\$\.(?:Parent|DockerVersion) is unknown$/,
  /^\$\[\d+\]\.Containers is unknown$/,
  /\.MemorySwappiness is null/,
];

for (const [route, path] of [
  ['/version', '/version'],
  ['/info', '/info'],
  ['/containers/json', '/containers/json?all=1&size=1'],
  ['/containers/{id}/json', `/containers/${name}/json?size=1`],
  ['/containers/{id}/top', `/containers/${name}/top`],
  ['/containers/{id}/changes', `/containers/${name}/changes`],
  ['/containers/{id}/stats', `/containers/${name}/stats?stream=0&one-shot=1`],
  ['/images/json', '/images/json?all=1'],
  ['/images/{name}/json', `/images/${image}/json`],
  ['/images/{name}/history', `/images/${image}/history`],
  ['/volumes', '/volumes'],
  ['/volumes/{name}', `/volumes/${name}`],
  ['/networks', '/networks'],
  ['/networks/{id}', '/networks/bridge'],
  ['/system/df', '/system/df?verbose=1'],
] as const) {
  test(`GET ${route} answers as described`, { skip }, async () => {
    const schema = paths[route]!['get']!.responses['200']!.schema!;
    const found = complaints(await get(path), schema, definitions).filter((complaint) => !excused.some((pattern) => pattern.test(complaint)));
    assert.deepEqual([...new Set(found)], []);
  });
}
