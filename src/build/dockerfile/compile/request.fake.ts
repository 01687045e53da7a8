import type { ImageConfigFile } from '#spec/oci-image.ts';
import type { Digest } from '#spec/digest.ts';
import { DEFAULT_PATH } from './stage-state.ts';
import type { FrontendRequest } from '../../frontend.ts';
import { notFound } from '#base/errors.ts';

/** One layer, a shell: what every test builds on. */
export const busybox: ImageConfigFile = {
  os: 'linux',
  architecture: 'amd64',
  config: { Env: [`PATH=${DEFAULT_PATH}`], Cmd: ['sh'] },
  rootfs: { type: 'layers', diff_ids: [`sha256:${'a'.repeat(64)}` as Digest] },
  history: [{ created_by: 'busybox' }],
};

/** A request as `docker build` makes it, on a machine whose only image is busybox, and one with triggers. */
export function fakeRequest(text: string, options: Partial<FrontendRequest> = {}): FrontendRequest {
  return {
    text, fileName: 'Dockerfile', target: '', buildArgs: {}, labels: {}, platforms: [], buildPlatform: { os: 'linux', architecture: 'amd64' },
    noCache: false, noCacheFilter: [], resolveMode: 'default', addHosts: [], networkMode: 'sandbox', shmSize: 0, ulimits: [], cgroupParent: '', hostname: '',
    cacheIdNamespace: '', context: { kind: 'local', name: 'context' }, namedContexts: new Map(), ignoreText: '', warn: () => undefined,
    resolveImage: (reference, { platform }) => {
      const { os, architecture } = platform;
      if (/^docker\.io\/library\/busybox(?::|@|$)/.test(reference)) return Promise.resolve({ digest: undefined, config: { ...busybox, os, architecture } });
      const triggers = /^docker\.io\/library\/onbuild(?::|@|$)/.test(reference);
      if (triggers) return Promise.resolve({ digest: undefined, config: { ...busybox, os, architecture, config: { ...busybox.config, OnBuild: ['ARG WHO=world', 'RUN echo hello $WHO', 'COPY . /src'] } } });
      return Promise.reject(notFound(`${reference}: not found`));
    },
    ...options,
  };
}
