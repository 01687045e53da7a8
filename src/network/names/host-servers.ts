import { readFileSync, statSync } from 'node:fs';
import { isIP } from 'node:net';
import { hostResolvConfPath, parseResolvConf, PUBLIC_NAMESERVERS } from '../resolv-conf.ts';

/** Milliseconds between two looks at the file. */
const PAUSE = 1000;

/** The machine's name servers as its resolv.conf says now: who joins another network gets other ones. */
export function watchHostServers(): () => readonly string[] {
  const path = hostResolvConfPath();
  let servers: readonly string[] = [];
  let [looked, changed] = [-Infinity, ''];
  return () => {
    if (performance.now() - looked < PAUSE) return servers;
    looked = performance.now();
    try {
      const { mtimeNs, ino } = statSync(path, { bigint: true });
      if (changed === `${ino} ${mtimeNs}`) return servers;
      changed = `${ino} ${mtimeNs}`;
      servers = askable(parseResolvConf(readFileSync(path, 'utf8')).nameservers);
    } catch {
      // Without the file a program would ask the machine itself; Docker asks the world.
      [changed, servers] = ['', PUBLIC_NAMESERVERS];
    }
    return servers;
  };
}

function askable(nameservers: readonly string[]): readonly string[] {
  const found = nameservers.filter((server) => isIP(server) !== 0 && !server.includes('%'));
  return found.length > 0 ? found : PUBLIC_NAMESERVERS;
}
