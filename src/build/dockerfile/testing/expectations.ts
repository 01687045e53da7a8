import { EngineError } from '#base/errors.ts';
import type { BuildContext, FrontendRequest } from '../../frontend.ts';
import { compileDockerfile } from '../compile/compile.ts';
import { fakeRequest } from '../compile/request.fake.ts';
import { parseFromPlatform } from '../compile/platform.ts';
import { drawExcerpt } from '../excerpt.ts';
import { rangesOf } from '../failure.ts';
import type { BuildCase } from './case-file.ts';
import { renderGraph } from './render.ts';

const host = { os: 'linux', architecture: 'amd64' };

function requestOf({ dockerfile, options }: BuildCase): FrontendRequest {
  const contexts = Object.entries(options.contexts ?? {}).map(([name, value]): [string, BuildContext] => {
    const image = /^docker-image:\/\/(.*)$/.exec(value)?.[1];
    return [name, image === undefined ? { kind: 'local', name: value } : { kind: 'image', reference: image }];
  });
  return fakeRequest(dockerfile, {
    target: options.target ?? '',
    buildArgs: options.args ?? {},
    labels: options.labels ?? {},
    platforms: (options.platforms ?? []).map((platform) => parseFromPlatform(platform, host)),
    namedContexts: new Map(contexts),
    ignoreText: options.ignore ?? '',
    noCache: options.noCache ?? false,
    networkMode: options.network ?? 'sandbox',
    shmSize: options.shmSize ?? 0,
  });
}

/** What a case gives, section by section. */
export async function resultsOf(buildCase: BuildCase): Promise<Map<string, string>> {
  try {
    const result = await compileDockerfile(requestOf(buildCase));
    const sections = new Map([['graph', renderGraph(result)]]);
    const [first] = result.platforms;
    const { Env, ...rest } = first?.config.config ?? {};
    const env = (Env ?? []).filter((entry) => !entry.startsWith('PATH='));
    sections.set('config', `${Object.entries({ ...rest, ...(env.length === 0 ? {} : { Env: env }) }).map(([key, value]) => `${key} ${JSON.stringify(value)}`).join('\n')}\n`);
    const history = (first?.config.history ?? []).filter(({ created_by }) => created_by !== 'busybox');
    if (history.length > 0) sections.set('history', `${history.map(({ created_by, empty_layer }) => `${empty_layer === true ? '- ' : '+ '}${JSON.stringify(created_by).slice(1, -1).replaceAll('\\"', '"')}`).join('\n')}\n`);
    if (result.warnings.length > 0) sections.set('warnings', `${result.warnings.map(({ rule, detail, ranges }) => `${rule} (line ${ranges[0]?.start}): ${detail}`).join('\n')}\n`);
    return sections;
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    return new Map([['error', `${drawExcerpt('Dockerfile', buildCase.dockerfile, rangesOf(error))}${error.message}\n`]]);
  }
}
