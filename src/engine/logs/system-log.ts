/** Lines of containers' logs in the forms of the system's own logs: journald's native protocol and syslog. */
import { invalid } from '#base/errors.ts';

/** What is said of the container with every line. */
export interface LoggedContainer {
  id: string;
  name: string;
  image: string;
  imageId: string;
  tag: string;
  attributes: Readonly<Record<string, string>>;
}

export interface LogLine {
  stream: 'stdout' | 'stderr';
  /** RFC 3339 in UTC with nanoseconds. */
  time: string;
  /** Without the newline. */
  text: Buffer;
}

const ERROR = 3;
const INFO = 6;
const severity = ({ stream }: LogLine): number => (stream === 'stderr' ? ERROR : INFO);

/** A datagram for /run/systemd/journal/socket with the fields that Docker writes. */
export function journalEntry(container: LoggedContainer, line: LogLine): Buffer {
  const fields: [string, string][] = [
    ['PRIORITY', String(severity(line))],
    ['CONTAINER_ID', container.id.slice(0, 12)],
    ['CONTAINER_ID_FULL', container.id],
    ['CONTAINER_NAME', container.name],
    ['CONTAINER_TAG', container.tag],
    ['IMAGE_NAME', container.image],
    ['SYSLOG_IDENTIFIER', container.tag],
    ['SYSLOG_TIMESTAMP', line.time],
    ...Object.entries(container.attributes).filter(([name]) => name !== 'tag').map(([name, value]): [string, string] => [journalField(name), value]),
  ];
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(line.text.length));
  // The form with a length takes any bytes; a value with a newline would end its field in the plain form.
  return Buffer.concat([
    Buffer.from(fields.map(([name, value]) => `${name}=${value.replaceAll('\n', ' ')}\n`).join('')),
    Buffer.from('MESSAGE\n'), length, line.text, Buffer.from('\n'),
  ]);
}

/** Field names have capitals, digits and underscores, and begin with no underscore. */
function journalField(name: string): string {
  return name.toUpperCase().replace(/[^A-Z0-9]/g, '_').replace(/^_+/, '');
}

const facilities = [
  'kern', 'user', 'mail', 'daemon', 'auth', 'syslog', 'lpr', 'news', 'uucp', 'cron', 'authpriv', 'ftp', '', '', '', '',
  'local0', 'local1', 'local2', 'local3', 'local4', 'local5', 'local6', 'local7',
];

/** `daemon`, `local3` or a number. */
export function parseFacility(text: string): number {
  const number = text === '' ? facilities.indexOf('daemon') : /^\d+$/.test(text) ? Number(text) : facilities.indexOf(text);
  if (number < 0 || number > 23) throw invalid('invalid syslog facility');
  return number;
}

export type SyslogFormat = '' | 'rfc3164' | 'rfc5424' | 'rfc5424micro';

export function parseSyslogFormat(text: string): SyslogFormat {
  if (text === '' || text === 'rfc3164' || text === 'rfc5424' || text === 'rfc5424micro') return text;
  throw invalid('Invalid syslog format');
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** One message; `origin` is this host's name and the engine's pid. The empty format is what a local socket expects. */
export function syslogMessage(
  container: LoggedContainer,
  line: LogLine,
  { format, facility, origin }: { format: SyslogFormat; facility: number; origin: { host: string; pid: number } },
): Buffer {
  const priority = `<${facility * 8 + severity(line)}>`;
  const { tag } = container;
  const { host, pid } = origin;
  // Mmm dd hh:mm:ss, the day padded with a blank.
  const stamp = `${months[Number(line.time.slice(5, 7)) - 1]} ${String(Number(line.time.slice(8, 10))).padStart(2)} ${line.time.slice(11, 19)}`;
  const header = {
    '': `${priority}${stamp} ${tag}[${pid}]: `,
    rfc3164: `${priority}${stamp} ${host} ${tag}[${pid}]: `,
    rfc5424: `${priority}1 ${line.time.slice(0, 19)}Z ${host} ${tag} ${pid} ${tag} - `,
    rfc5424micro: `${priority}1 ${line.time.slice(0, 26)}Z ${host} ${tag} ${pid} ${tag} - `,
  }[format];
  return Buffer.concat([Buffer.from(header), line.text, Buffer.from('\n')]);
}

/** `{{.ID}}`, `{{.FullID}}`, `{{.Name}}`, `{{.ImageName}}`, `{{.ImageID}}`, `{{.ImageFullID}}`, `{{.DaemonName}}`. */
export function expandTag(template: string, container: Omit<LoggedContainer, 'tag' | 'attributes'>): string {
  const values: Record<string, string> = {
    ID: container.id.slice(0, 12),
    FullID: container.id,
    Name: container.name,
    ImageName: container.image,
    ImageID: container.imageId.replace(/^sha256:/, '').slice(0, 12),
    ImageFullID: container.imageId,
    DaemonName: 'docker',
  };
  return (template === '' ? '{{.ID}}' : template).replace(/\{\{\s*\.(\w+)\s*\}\}/g, (whole, name: string) => values[name] ?? whole);
}

/** Where syslog messages go. */
export type SyslogTarget = { kind: 'unix'; path: string } | { kind: 'udp' | 'tcp'; host: string; port: number };

/** `unix:///dev/log`, `unixgram://...`, `udp://host[:514]`, `tcp://host[:514]`; empty is the local socket. */
export function parseSyslogAddress(address: string): SyslogTarget {
  if (address === '') return { kind: 'unix', path: '/dev/log' };
  let url: URL;
  try {
    url = new URL(address);
  } catch {
    throw invalid(`unsupported syslog address: ${address}`);
  }
  if (url.protocol === 'unix:' || url.protocol === 'unixgram:') return { kind: 'unix', path: decodeURIComponent(url.pathname) };
  if (url.protocol === 'udp:' || url.protocol === 'tcp:') {
    return { kind: url.protocol === 'udp:' ? 'udp' : 'tcp', host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port || 514) };
  }
  if (url.protocol === 'tcp+tls:') throw invalid('syslog over TLS is not supported: use tcp, udp or the local socket');
  throw invalid(`unsupported scheme: ${url.protocol.replace(/:$/, '')}`);
}
