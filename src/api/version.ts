/** The newest and the oldest Engine API that this engine speaks. */
export const API_VERSION = '1.55';
export const MIN_API_VERSION = '1.24';

/** Compares `major.minor` versions by number. */
export function compareVersions(a: string, b: string): number {
  const [majorA = 0, minorA = 0] = a.split('.').map(Number);
  const [majorB = 0, minorB = 0] = b.split('.').map(Number);
  return majorA - majorB || minorA - minorB;
}

export const versionBelow = (version: string, limit: string): boolean => compareVersions(version, limit) < 0;
