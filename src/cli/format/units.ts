/** How Docker shows sizes, ages and ids. */

const decimal = ['B', 'kB', 'MB', 'GB', 'TB', 'PB', 'EB', 'ZB', 'YB'];
const binary = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB', 'ZiB', 'YiB'];

/** C's %.<digits>g for numbers below 10^digits. */
function significant(value: number, digits: number): string {
  const text = value.toPrecision(digits);
  if (text.includes('e')) return text.replace(/\.?0+e/, 'e').replace(/e([+-])(\d)$/, 'e$10$2');
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}

function scaled(size: number, base: number, units: readonly string[], digits: number): string {
  let value = size;
  let unit = 0;
  while (value >= base && unit < units.length - 1) {
    value /= base;
    unit++;
  }
  return `${significant(value, digits)}${units[unit] ?? ''}`;
}

/** `4.27MB`, in powers of 1000. */
export const humanSize = (size: number, digits = 4): string => scaled(size, 1000, decimal, digits);

/** `4.07MiB`, in powers of 1024. */
export const binarySize = (size: number): string => scaled(size, 1024, binary, 4);

/** `About a minute`, `2 weeks`. */
export function humanDuration(milliseconds: number): string {
  const seconds = Math.trunc(milliseconds / 1000);
  if (seconds < 1) return 'Less than a second';
  if (seconds === 1) return '1 second';
  if (seconds < 60) return `${seconds} seconds`;
  const minutes = Math.trunc(milliseconds / 60_000);
  if (minutes === 1) return 'About a minute';
  if (minutes < 60) return `${minutes} minutes`;
  const exact = milliseconds / 3_600_000;
  const hours = Math.trunc(exact + 0.5);
  if (hours === 1) return 'About an hour';
  if (hours < 48) return `${hours} hours`;
  if (hours < 24 * 7 * 2) return `${Math.trunc(hours / 24)} days`;
  if (hours < 24 * 30 * 2) return `${Math.trunc(hours / 24 / 7)} weeks`;
  if (hours < 24 * 365 * 2) return `${Math.trunc(hours / 24 / 30)} months`;
  return `${Math.trunc(Math.trunc(exact) / 24 / 365)} years`;
}

/** The age of a moment given in seconds since the epoch. */
export const ago = (seconds: number): string => `${humanDuration(Date.now() - seconds * 1000)} ago`;

export const shortId = (id: string): string => id.slice(id.indexOf(':') + 1).slice(0, 12);

/** Cuts to `width` columns, the last of which is an ellipsis. */
export function ellipsis(text: string, width: number): string {
  const chars = [...text];
  if (displayWidth(text) <= width) return text;
  let used = 0;
  let out = '';
  for (const char of chars) {
    const next = used + charWidth(char);
    if (next > width - 1) break;
    out += char;
    used = next;
  }
  return `${out}…`;
}

const wide = /[\u1100-\u115f\u2329\u232a\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{1f300}-\u{1f64f}\u{1f900}-\u{1f9ff}\u{20000}-\u{3fffd}]/u;
const charWidth = (char: string): number => (wide.test(char) ? 2 : 1);

const ascii = /^[\x20-\x7e]*$/;

export function displayWidth(text: string): number {
  if (ascii.test(text)) return text.length;
  let width = 0;
  for (const char of text) width += charWidth(char);
  return width;
}

const pad2 = (value: number): string => String(value).padStart(2, '0');

/** Go's time.Time.String in the local zone, from whole seconds since the epoch: `2026-08-13 05:35:48 +0000 UTC`. */
export function goTime(seconds: number): string {
  const date = new Date(seconds * 1000);
  const minutes = -date.getTimezoneOffset();
  const zone = `${minutes < 0 ? '-' : '+'}${pad2(Math.trunc(Math.abs(minutes) / 60))}${pad2(Math.abs(minutes) % 60)}`;
  return `${localDate(date)} ${localClock(date)} ${zone} ${zoneName(date, zone)}`;
}

export const localDate = (date: Date): string => `${date.getFullYear()}-${pad2(date.getMonth() + 1)}-${pad2(date.getDate())}`;
export const localClock = (date: Date): string => `${pad2(date.getHours())}:${pad2(date.getMinutes())}:${pad2(date.getSeconds())}`;

/** RFC 3339 in the local zone, seconds only: `2026-08-13T05:35:48Z`. */
export function localRfc3339(date: Date): string {
  const minutes = -date.getTimezoneOffset();
  const zone = minutes === 0 ? 'Z' : `${minutes < 0 ? '-' : '+'}${pad2(Math.trunc(Math.abs(minutes) / 60))}:${pad2(Math.abs(minutes) % 60)}`;
  return `${localDate(date)}T${localClock(date)}${zone}`;
}

function zoneName(date: Date, offset: string): string {
  if (offset === '+0000' && ['UTC', 'Etc/UTC', undefined, ''].includes(process.env['TZ'])) return 'UTC';
  const name = /\(([^)]+)\)/.exec(date.toString())?.[1] ?? '';
  const short = new Intl.DateTimeFormat('en-US', { timeZoneName: 'short' }).formatToParts(date).find((part) => part.type === 'timeZoneName')?.value;
  if (short !== undefined && /^[A-Z]{2,5}$/.test(short)) return short;
  if (name === 'Coordinated Universal Time') return 'UTC';
  return offset.endsWith('00') ? offset.slice(0, 3) : offset;
}

/** Names of a port list as `ps` shows them, neighbours joined: `0.0.0.0:80-81->80-81/tcp, 443/tcp`. */
export function portList(ports: readonly { IP?: string | undefined; PrivatePort: number; PublicPort?: number | undefined; Type: string }[]): string {
  const sorted = [...ports].sort((a, b) =>
    a.PrivatePort - b.PrivatePort || compare(a.IP ?? '', b.IP ?? '') || (a.PublicPort ?? 0) - (b.PublicPort ?? 0) || compare(a.Type, b.Type));
  const groups = new Map<string, { first: number; last: number }>();
  const done: string[] = [];
  const mapped: string[] = [];
  for (const port of sorted) {
    let key = port.Type;
    if (port.IP !== undefined && port.IP !== '') {
      if (port.PublicPort !== port.PrivatePort) {
        mapped.push(`${hostPort(port.IP, port.PublicPort ?? 0)}->${port.PrivatePort}/${port.Type}`);
        continue;
      }
      key = `${port.IP}/${port.Type}`;
    }
    const group = groups.get(key);
    if (group && port.PrivatePort === group.last + 1) group.last = port.PrivatePort;
    else {
      if (group) done.push(portGroup(key, group.first, group.last));
      groups.set(key, { first: port.PrivatePort, last: port.PrivatePort });
    }
  }
  for (const [key, group] of groups) done.push(portGroup(key, group.first, group.last));
  return [...done, ...mapped].join(', ');
}

export const hostPort = (ip: string, port: number | string): string => (ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`);

function portGroup(key: string, first: number, last: number): string {
  const cut = key.lastIndexOf('/');
  const range = first === last ? String(first) : `${first}-${last}`;
  if (cut < 0) return `${range}/${key}`;
  return `${hostPort(key.slice(0, cut), range)}->${range}/${key.slice(cut + 1)}`;
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
