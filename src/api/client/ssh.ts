import { spawn } from 'node:child_process';
import { Duplex } from 'node:stream';
import { EngineError, invalid } from '#base/errors.ts';

/**
 * `ssh://[user@]host[:port][/socket]`: the far end's CLI joins its own socket to its stdin and stdout
 * (`system dial-stdio`). Keys, agents and known hosts are ssh's own matter.
 */
export function dialSsh(host: string): Duplex {
  const url = URL.parse(host);
  if (url === null || url.hostname === '') throw invalid(`invalid ssh host ${JSON.stringify(host)}: expected ssh://user@host`);
  if (url.password !== '') throw invalid('ssh hosts must not carry a password: use a key or an agent');
  const target = [
    ...(url.username === '' ? [] : ['-l', decodeURIComponent(url.username)]),
    ...(url.port === '' ? [] : ['-p', url.port]),
    '-o',
    'ConnectTimeout=30',
    '-T',
    '--',
    url.hostname.replace(/^\[|\]$/g, ''),
  ];
  const socket = url.pathname === '' || url.pathname === '/' ? [] : [`--host=unix://${quoteForShell(url.pathname)}`];
  const child = spawn('ssh', [...target, 'docker', ...socket, 'system', 'dial-stdio'], { stdio: ['pipe', 'pipe', 'pipe'] });
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (complaint = (complaint + text).slice(-2000)));
  // The types know only web streams in a pair; Node takes its own too.
  const wire = Duplex.from({ readable: child.stdout, writable: child.stdin } as unknown as NodeJS.ReadWriteStream);
  child.on('error', (error) => wire.destroy(error));
  child.on('exit', (code) => {
    if (code !== 0) {
      const why = complaint.trim() === '' ? `exit status ${code}` : complaint.trim();
      wire.destroy(new EngineError('unavailable', `error during connect to ${host}: ssh: ${why}`, { details: { cannotConnect: true } }));
    }
  });
  wire.on('close', () => child.kill());
  return wire;
}

/** ssh hands the words to the far shell, which would read them again. */
function quoteForShell(text: string): string {
  return `'${decodeURIComponent(text).replaceAll("'", `'\\''`)}'`;
}
