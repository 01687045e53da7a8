/** How the owners of an idmapped mount's files are seen, in the words of crun and podman: `uids=1000-0-1#...;gids=...`. */
import { invalid } from '#base/errors.ts';

const LAST_ID = 2 ** 32 - 2;
/** As many ids as one user or range commonly has. */
const RANGE = 65536;

/**
 * Checks a mapping; each triplet is first id on disk, first id in the container, how many. The short form `1000` or
 * `1000:1000` means: on disk the container's root is this user and group, its next user the next, and so on.
 */
export function parseIdMap(text: string): string {
  const short = /^(\d{1,10})(?::(\d{1,10}))?$/.exec(text);
  if (short) return parseIdMap(`uids=${short[1]}-0-${RANGE};gids=${short[2] ?? short[1]}-0-${RANGE}`);
  const refused = (): Error => invalid(`invalid idmap '${text}': it must be UID[:GID] or uids=DISK-CONTAINER-COUNT[#...];gids=DISK-CONTAINER-COUNT[#...]`);
  const kinds = text.split(';').map((part) => {
    const [, kind, list = ''] = /^(uids|gids)=([\d#-]+)$/.exec(part) ?? [];
    if (kind === undefined) throw refused();
    for (const triplet of list.split('#')) {
      const [, disk, inside, count] = (/^(\d{1,10})-(\d{1,10})-(\d{1,10})$/.exec(triplet) ?? []).map(Number);
      if (disk === undefined || inside === undefined || count === undefined || count === 0) throw refused();
      if (disk + count - 1 > LAST_ID || inside + count - 1 > LAST_ID) throw refused();
    }
    return kind;
  });
  if (kinds.length !== 2 || kinds[0] === kinds[1]) throw refused();
  return text;
}
