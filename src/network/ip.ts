/** IP addresses of both families as numbers, and subnets of them. */
import { isIP, SocketAddress } from 'node:net';

export type Family = 4 | 6;

export interface Address {
  family: Family;
  value: bigint;
}

export interface Subnet {
  family: Family;
  /** The lowest address: host bits are zero. */
  base: bigint;
  prefix: number;
}

export const widthOf = (family: Family): number => (family === 4 ? 32 : 128);

/** Undefined when the text is no address. A zone (`fe80::1%eth0`) makes it none. */
export function parseAddress(text: string): Address | undefined {
  const family = text.includes('%') ? 0 : isIP(text);
  if (family === 4) return { family, value: text.split('.').reduce((sum, part) => sum * 256n + BigInt(part), 0n) };
  if (family !== 6) return undefined;
  // Canonical text has at most one `::` and may end in a dotted address.
  const plain = new SocketAddress({ address: text, family: 'ipv6' }).address.replace(/[\d.]+\.[\d.]+$/, (dotted) => {
    const [a = 0, b = 0, c = 0, d = 0] = dotted.split('.').map(Number);
    return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
  });
  const [head = '', tail] = plain.split('::');
  const groups = (part: string): string[] => (part === '' ? [] : part.split(':'));
  const left = groups(head);
  const right = groups(tail ?? '');
  const all = [...left, ...Array.from({ length: 8 - left.length - right.length }, () => '0'), ...right];
  return { family, value: BigInt(`0x${all.map((group) => group.padStart(4, '0')).join('')}`) };
}

/** Canonical text: dotted, or RFC 5952. */
export function formatAddress({ family, value }: Address): string {
  if (family === 4) return [24n, 16n, 8n, 0n].map((shift) => Number((value >> shift) & 255n)).join('.');
  const digits = value.toString(16).padStart(32, '0');
  return new SocketAddress({ address: digits.replace(/(.{4})(?=.)/g, '$1:'), family: 'ipv6' }).address;
}

/** The same address always reads the same; what is none stays as it is. */
export function canonical(text: string): string {
  const address = parseAddress(text);
  return address === undefined ? text : formatAddress(address);
}

/** `10.1.2.3/8`, with host bits cleared. Undefined when malformed. */
export function parseSubnet(text: string): Subnet | undefined {
  const [head = '', tail = '', ...more] = text.split('/');
  const address = parseAddress(head);
  if (address === undefined || more.length > 0 || !/^\d{1,3}$/.test(tail) || Number(tail) > widthOf(address.family)) return undefined;
  const prefix = Number(tail);
  const { family, value } = address;
  return { family, base: value - (value % sizeOf({ family, prefix })), prefix };
}

export const formatSubnet = ({ family, base, prefix }: Subnet): string => `${formatAddress({ family, value: base })}/${prefix}`;

/** How many addresses it has. */
export const sizeOf = ({ family, prefix }: Pick<Subnet, 'family' | 'prefix'>): bigint => 1n << BigInt(widthOf(family) - prefix);

export const contains = (subnet: Subnet, { family, value }: Address): boolean =>
  family === subnet.family && value >= subnet.base && value < subnet.base + sizeOf(subnet);

export const overlaps = (a: Subnet, b: Subnet): boolean => a.family === b.family && a.base < b.base + sizeOf(b) && b.base < a.base + sizeOf(a);
