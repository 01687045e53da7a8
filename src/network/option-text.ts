/** Values of driver options, which arrive as text; refused in the words of Docker and Go. */
import { isIPv4, isIPv6 } from 'node:net';
import { invalid } from '#base/errors.ts';

export type Options = Readonly<Record<string, string>>;

/** Several things that are wrong, as Go joins errors. */
export function refuseAll(title: string, faults: readonly string[]): void {
  if (faults.length === 0) return;
  throw invalid(`${title}:\n${faults.length === 1 ? (faults[0] ?? '') : faults.map((fault) => `* ${fault}`).join('\n')}`);
}

export function flagOption(options: Options, key: string, otherwise: boolean): boolean {
  const text = options[key];
  if (text === undefined || text === '') return otherwise;
  if (/^(1|t|T|true|TRUE|True)$/.test(text)) return true;
  if (/^(0|f|F|false|FALSE|False)$/.test(text)) return false;
  throw invalid(`failed to parse ${key} value: ${text} (strconv.ParseBool: parsing ${JSON.stringify(text)}: invalid syntax)`);
}

export function mtuOption(options: Options): number | undefined {
  const key = 'com.docker.network.driver.mtu';
  const text = options[key];
  if (text === undefined || text === '') return undefined;
  if (!/^-?\d+$/.test(text)) throw invalid(`failed to parse ${key} value: ${text} (strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax)`);
  const mtu = Number(text);
  if (mtu < 0 || mtu > 65535) throw invalid(`invalid MTU number: ${text}`);
  return mtu === 0 ? undefined : mtu;
}

export function addressOption(options: Options, key: string, family: 4 | 6): string | undefined {
  const text = options[key];
  if (text === undefined || text === '') return undefined;
  if (!(family === 4 ? isIPv4(text) : isIPv6(text))) throw invalid(`failed to parse ${key} value: ${text} (nil ip)`);
  return text;
}

/** The stem of interface names inside containers. */
export function prefixOption(options: Options): string {
  const text = options['com.docker.network.container_iface_prefix'] ?? '';
  if (text === '') return 'eth';
  if (!/^[^\s/:"%]{1,12}$/.test(text) || text === '.' || text === '..') throw invalid(`invalid interface prefix ${JSON.stringify(text)}: at most 12 characters without spaces, "/", ":" and quotes`);
  return text;
}

/** Linux's rule for interface names, made a little stricter: the name is written into firewall rules. */
export const isInterfaceName = (name: string): boolean => /^[^\s/:"%\\]{1,15}$/.test(name) && name !== '.' && name !== '..';
