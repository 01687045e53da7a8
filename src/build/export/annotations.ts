import { invalid } from '#base/errors.ts';

export interface Annotations {
  manifest: Record<string, string>;
  index: Record<string, string>;
}

/** `key=value`, `index:key=value`, `manifest[linux/amd64]:key=value`, `index,manifest:key=value`; the platform of each is all. */
export function parseAnnotations(items: readonly string[]): Annotations {
  const found: Annotations = { manifest: {}, index: {} };
  for (const item of items) {
    const match = /^(?:((?:index|manifest|index-descriptor|manifest-descriptor)(?:\[[^\]]*\])?(?:,(?:index|manifest|index-descriptor|manifest-descriptor)(?:\[[^\]]*\])?)*):)?([^=]+)=([^]*)$/.exec(item);
    if (match === null) throw invalid(`invalid annotation ${JSON.stringify(item)}, expected key=value`);
    const [, types = 'manifest', key = '', value = ''] = match;
    for (const type of types.split(',')) {
      const kind = type.replace(/\[.*/, '');
      if (kind === 'manifest') found.manifest[key] = value;
      else if (kind === 'index') found.index[key] = value;
      else throw invalid(`annotations of the type ${kind} are not there yet`);
    }
  }
  return found;
}
