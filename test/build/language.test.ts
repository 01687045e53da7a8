/**
 * The table of Dockerfiles, built for real: by Gantry through POST /build, or by another engine to see where it differs.
 * `GANTRY_TEST_HOST=unix:///run/docker.sock` is dockerd with its classic builder; with `GANTRY_TEST_BUILDX="docker buildx"` too, BuildKit.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { readCases, type BuildCase } from '../../src/build/dockerfile/testing/case-file.ts';
import { buildxBuilder, classicBuilder, type Builder, type Outcome } from './builders.ts';
import { cli, type Cli } from './rig.ts';

const host = process.env['GANTRY_TEST_HOST'];
const buildx = process.env['GANTRY_TEST_BUILDX'];
const needsRoot = { skip: host !== undefined || process.getuid?.() === 0 ? false : 'needs root: builds mount file systems' };

let own: Cli | undefined;
let builder: Builder;

before(async () => {
  if (needsRoot.skip !== false) return;
  if (host === undefined) own = await cli();
  const socket = host?.replace('unix://', '') ?? own?.engine.socket ?? '';
  builder = host !== undefined && buildx !== undefined ? buildxBuilder(socket, buildx.split(' ')) : classicBuilder(socket, host === undefined ? 'own' : 'legacy');
});
after(async () => own?.stop());

const unparsed = /^(?:file with no instructions|ENV must have two arguments|Syntax error|unterminated heredoc|only one escape|invalid escape token|when using JSON|dockerfile line greater)/;

interface ImageView {
  RepoTags: string[] | null;
  Config: Record<string, unknown>;
}

for (const [file, cases] of Object.entries(Object.groupBy(readCases(), (buildCase) => buildCase.file))) {
  test(file, needsRoot, async (context) => {
    for (const buildCase of cases ?? []) {
      const skip = whyNot(buildCase);
      await context.test(buildCase.name, skip === undefined ? {} : { skip }, () => compare(buildCase));
    }
  });
}

/** Cases that no engine can build as they are. */
function whyNot({ sections, options }: BuildCase): string | undefined {
  if (sections.has('unrun')) return sections.get('unrun');
  if (options.contexts !== undefined) return 'POST /build has no named contexts';
  if ((options.platforms?.length ?? 0) > 0) return 'needs an image for another platform';
  return host !== undefined && sections.get('differs')?.includes('crashes') === true ? sections.get('differs') : undefined;
}

async function compare(buildCase: BuildCase): Promise<void> {
  const outcome = await builder.build(buildCase);
  const differs = builder.kind === 'own' ? undefined : differenceFor(buildCase, builder.kind);
  if (differs === undefined) return expectSame(buildCase, outcome);
  await assert.rejects(expectSame(buildCase, outcome), Error, `it was to differ: ${differs}`);
}

function differenceFor({ sections }: BuildCase, kind: 'legacy' | 'buildx'): string | undefined {
  return sections.get('differs')?.split('; ').find((part) => part.startsWith(kind) || part.startsWith('both'));
}

async function expectSame({ sections }: BuildCase, outcome: Outcome): Promise<void> {
  try {
    const error = sections.get('error') ?? sections.get('fails');
    const wanted = error?.trimEnd().split('\n').at(-1);
    // The classic API says so where the file could not even be cut into instructions.
    assert.equal(outcome.error?.replace(/^failed to parse Dockerfile: /, ''), wanted);
    if (builder.kind === 'own' && unparsed.test(wanted ?? '')) assert.equal(outcome.error, `failed to parse Dockerfile: ${wanted}`);
    if (error !== undefined) return;
    for (const line of sections.get('output')?.trimEnd().split('\n') ?? []) assert.ok(outcome.output.includes(line), `${line} is missing in\n${outcome.output.join('\n')}`);
    assert.ok(outcome.image !== undefined, 'an image is made');
    const { Config } = (await builder.get(`/images/${outcome.image}/json`)) as ImageView;
    assert.deepEqual(comparable(Config), expectedConfig(sections.get('config') ?? ''));
    if (builder.kind !== 'own') return;
    const history = (await builder.get(`/images/${outcome.image}/history`)) as { CreatedBy: string }[];
    const texts = (sections.get('history') ?? '').split('\n').filter((line) => line !== '').map((line) => line.slice(2));
    assert.deepEqual(history.slice(0, texts.length).map(({ CreatedBy }) => JSON.stringify(CreatedBy).slice(1, -1).replaceAll('\\"', '"')).toReversed(), texts);
  } finally {
    if (outcome.image !== undefined) await remove(outcome.image);
  }
}

/** A Dockerfile that adds nothing gives its base back, which stays. */
async function remove(image: string): Promise<void> {
  const { RepoTags } = (await builder.get(`/images/${image}/json`)) as ImageView;
  if ((RepoTags ?? []).length === 0) await builder.delete(`/images/${image}?force=1`);
}

/** What is said of a configuration whoever says it: nothing of what is empty, of the base or of long ago. */
function comparable(config: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(config)) {
    if (['Hostname', 'Domainname', 'Image', 'ArgsEscaped'].includes(key) || isEmpty(value)) continue;
    const kept = key === 'Env' && Array.isArray(value) ? value.filter((entry) => !String(entry).startsWith('PATH=')) : value;
    if (!isEmpty(kept)) out[key] = kept;
  }
  return out;
}

const isEmpty = (value: unknown): boolean =>
  value === null || value === undefined || value === '' || value === false || (Array.isArray(value) && value.length === 0) || (typeof value === 'object' && Object.keys(value).length === 0);

function expectedConfig(text: string): Record<string, unknown> {
  const entries = text.split('\n').filter((line) => line !== '').map((line): [string, unknown] => {
    const space = line.indexOf(' ');
    return [line.slice(0, space), JSON.parse(line.slice(space + 1)) as unknown];
  });
  return comparable(Object.fromEntries(entries));
}
