import type { RuntimeRefusal } from './runtime.ts';

/**
 * Turns what crun or runc wrote to stderr into Docker's sentence and exit code. `program` is the process's first
 * argument, `cwd` its working folder: crun leaves them out of some messages.
 */
export function parseRefusal(stderr: string, context: { action: 'create' | 'exec'; program: string; cwd: string }): RuntimeRefusal {
  const reason = dockerReason(lastMessage(stderr), context);
  const failed = context.action === 'create' ? CREATE_FAILED : 'OCI runtime exec failed: exec failed';
  return { exitCode: exitCodeOf(reason, context.action), message: `${failed}: unable to start container process: ${reason}` };
}

const CREATE_FAILED = 'failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed';

/** Docker's sentence for what its runtime refuses inside the container, and we before there is one. */
export const initRefusal = (reason: string): string => `${CREATE_FAILED}: unable to start container process: error during container init: ${reason}: unknown`;

/** The text of the last error line: plain (crun), JSON (`--log-format json`) or logrus (runc). */
function lastMessage(stderr: string): string {
  const lines = stderr.split('\n').map((line) => line.trim()).filter((line) => line !== '');
  const line = lines.findLast((candidate) => /error|crun|runc/i.test(candidate)) ?? lines.at(-1) ?? 'the runtime failed without a message';
  if (line.startsWith('{')) {
    try {
      const entry: unknown = JSON.parse(line);
      if (typeof entry === 'object' && entry !== null && 'msg' in entry && typeof entry.msg === 'string') return strip(entry.msg);
    } catch {
      // Cut off by conmon's buffer: shown as it is.
    }
  }
  const logrus = /\bmsg="((?:[^"\\]|\\.)*)"/.exec(line)?.[1];
  return strip(logrus === undefined ? line : logrus.replace(/\\(.)/g, '$1'));
}

function strip(message: string): string {
  return message
    .replace(/^\d{4}-\d\d-\d\dT[\d:.]+Z?:?\s*/, '')
    .replace(/^(?:crun|runc|\[conmon:e\]):\s*/, '')
    .replace(/^(?:runc (?:create|run) failed|exec failed|container_linux\.go:\d+[^:]*): (?:unable to start container process: )?/, '');
}

function dockerReason(message: string, { program, cwd }: { program: string; cwd: string }): string {
  const quoted = JSON.stringify(program);
  const missing = /executable file [`'"]?.*?[`'"]? not found(?: in \$PATH)?/i.test(message);
  if (missing) {
    return program.includes('/')
      ? `exec: ${quoted}: stat ${program}: no such file or directory: unknown`
      : `exec: ${quoted}: executable file not found in $PATH: unknown`;
  }
  if (/^(?:open executable|exec(?:ve|utable)?\b.*): Permission denied/i.test(message)) return `exec: ${quoted}: permission denied: unknown`;
  if (program === '' && /^open executable: /i.test(message)) return 'exec: "": executable file not found in $PATH: unknown';
  // crun says EPERM for what is no regular file.
  if (/^open executable: (?:Is a directory|Operation not permitted)/i.test(message)) return `exec: ${quoted}: is a directory: unknown: permission denied`;
  const chdir = /chdir(?: to)? [`'"(]*.*?[`'")]*: (.+)$/i.exec(message) ?? /cannot chdir.*: (.+)$/i.exec(message);
  if (chdir && !message.startsWith('exec')) {
    return `chdir to cwd (${JSON.stringify(cwd)}) set in config.json failed: ${(chdir[1] ?? '').toLowerCase()}: unknown`;
  }
  return message.endsWith(': unknown') ? message : `${message}: unknown`;
}

function exitCodeOf(reason: string, action: 'create' | 'exec'): RuntimeRefusal['exitCode'] {
  if (/^exec: .*(?:not found|no such file or directory)/i.test(reason)) return 127;
  if (/^chdir to cwd .*no such file or directory/i.test(reason)) return action === 'create' ? 127 : 126;
  if (/permission denied|is a directory|not a directory|exec format error/i.test(reason)) return 126;
  return 128;
}
