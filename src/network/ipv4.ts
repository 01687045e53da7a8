/** IPv4 addresses as unsigned 32-bit numbers, and subnets of them. */
import { isIPv4 } from 'node:net';

export interface Subnet {
  /** The lowest address: host bits are zero. */
  base: number;
  prefix: number;
}

/** Undefined when the text is no dotted address. */
export function parseAddress(text: string): number | undefined {
  if (!isIPv4(text)) return undefined;
  return text.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
}

export function formatAddress(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.');
}

/** `10.1.2.3/8`: host bits are cleared, as Docker does. Undefined when malformed. */
export function parseSubnet(text: string): Subnet | undefined {
  const [head = '', tail = '', ...more] = text.split('/');
  const address = parseAddress(head);
  if (address === undefined || more.length > 0 || !/^\d{1,2}$/.test(tail) || Number(tail) > 32) return undefined;
  const prefix = Number(tail);
  return { base: address - (address % sizeOf({ base: 0, prefix })), prefix };
}

export const formatSubnet = ({ base, prefix }: Subnet): string => `${formatAddress(base)}/${prefix}`;

/** How many addresses it has. */
export const sizeOf = ({ prefix }: Subnet): number => 2 ** (32 - prefix);

export const contains = (subnet: Subnet, address: number): boolean => address >= subnet.base && address < subnet.base + sizeOf(subnet);

export const overlaps = (a: Subnet, b: Subnet): boolean => a.base < b.base + sizeOf(b) && b.base < a.base + sizeOf(a);
