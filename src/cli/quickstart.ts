import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { EngineError } from '#base/errors.ts';
import type { EngineClient } from '#api/client/client.ts';
import type { Cli } from './command/cli.ts';
import { buildFiles } from './build/small-build.ts';
import { CliError, defineCommand } from './command/command.ts';
import { errorText } from './command/error-text.ts';
import * as flag from './command/flag.ts';
import { checkMachine } from './doctor/command.ts';
import { thisMachine } from './doctor/machine.ts';
import { showProgress } from './image/progress.ts';

const NAME = 'gantry-quickstart';
const IMAGE = 'busybox:latest';
const GREETING = 'Hello from a container that Gantry made.';
const SERVE = `while true; do { printf 'HTTP/1.0 200 OK\\r\\nContent-Type: text/plain\\r\\n\\r\\n'; cat /srv/greeting; } | nc -l -p 80; done\n`;
const dockerfile = `FROM busybox
COPY greeting serve.sh /srv/
RUN sh -n /srv/serve.sh
EXPOSE 80
CMD ["sh", "/srv/serve.sh"]
`;

export const command = defineCommand({
  usage: '[OPTIONS]',
  short: 'See a first container run, step by step',
  long: 'Checks the machine, starts the engine, makes a base image, builds an image on it, runs a container that answers on a published port, asks it,\nand removes it again. It can be repeated at will; the images stay.',
  flags: { keep: flag.bool('Leave the container running') },
  args: { min: 0, max: 0 },
  async run({ cli, flags }) {
    const show = new Steps(cli);
    show.step('Can this machine run containers?', 'gantry doctor');
    const faults = checkMachine(thisMachine()).filter((finding) => finding.state !== 'ok');
    for (const fault of faults) show.note(`${fault.state === 'fail' ? 'Fault' : 'Note'}: ${fault.what}: ${fault.found}\n  -> ${fault.mend}`);
    if (faults.some((fault) => fault.state === 'fail')) throw new CliError('Mend that first, then come back: gantry quickstart');
    show.note('It can.');

    show.step('Start the engine, unless it runs', 'gantry engine start');
    const client = await cli.client();
    const version = await client.system.version();
    show.note(`The engine answers: version ${version.Version ?? '?'}, API ${version.ApiVersion ?? '?'}.`);

    show.step('Make a base image from this machine\'s own busybox: no registry is needed', 'gantry image bootstrap busybox');
    await ensureImage(cli, client, show);

    show.step('Build an image of our own on it', `gantry build -t ${NAME} .`);
    show.note(dockerfile.trimEnd().split('\n').map((line) => `| ${line}`).join('\n'));
    const began = performance.now();
    const built = await buildFiles(client, `${NAME}:latest`, { Dockerfile: dockerfile, greeting: `${GREETING}\n`, 'serve.sh': SERVE });
    show.note(`Built, ${Math.round(performance.now() - began)} ms later: ${built.slice(7, 19)}`);

    await removeContainer(client);
    show.step('Run a container that answers on a port of this machine', `gantry run -d --name ${NAME} -p 127.0.0.1::80 ${NAME}`);
    const before = performance.now();
    const { Id } = await client.containers.create(
      {
        Image: `${NAME}:latest`,
        HostConfig: { PortBindings: { '80/tcp': [{ HostIp: '127.0.0.1', HostPort: '' }] } },
      },
      { name: NAME },
    );
    try {
      await client.containers.start(Id);
      show.note(`It runs, ${Math.round(performance.now() - before)} ms later: ${Id.slice(0, 12)}`);
      const port = (await client.containers.inspect(Id)).NetworkSettings?.Ports?.['80/tcp']?.[0]?.HostPort ?? '';
      show.step('Ask it', `curl http://127.0.0.1:${port}/`);
      const answer = await askUntilAnswered(Number(port));
      show.note(answer);
      if (flags.keep) {
        show.note(`It goes on running. Remove it with: gantry rm -f ${NAME}`);
      } else {
        show.step('Remove it again', `gantry rm -f ${NAME}`);
        await removeContainer(client);
        show.note('Gone.');
      }
    } catch (error) {
      if (!flags.keep) await removeContainer(client);
      throw error;
    }
    cli.out.line(`\nThat was all. Next: 'gantry run -it busybox', 'gantry --help', or \`alias docker=gantry\`.`);
  },
});

class Steps {
  readonly #cli: Cli;
  #count = 0;

  constructor(cli: Cli) {
    this.#cli = cli;
  }

  step(text: string, command: string): void {
    const bold = this.#cli.out.terminal ? ['\x1b[1m', '\x1b[0m'] : ['', ''];
    this.#cli.out.line(`\n${bold[0] ?? ''}${++this.#count}. ${text}${bold[1] ?? ''}\n   $ ${command}`);
  }

  note(text: string): void {
    this.#cli.out.line(text.split('\n').map((line) => `   ${line}`).join('\n'));
  }
}

async function ensureImage(cli: Cli, client: EngineClient, show: Steps): Promise<void> {
  try {
    const image = await client.images.inspect(IMAGE);
    show.note(`There is one already: ${(image.Id ?? '').slice(7, 19)}`);
    return;
  } catch (error) {
    if (!(error instanceof EngineError) || error.code !== 'not_found') throw error;
  }
  try {
    await showProgress(await client.images.bootstrap('busybox'), cli.out.terminal ? cli.out : undefined);
  } catch (error) {
    throw new CliError(`The image cannot be made: ${errorText(error)}`);
  }
  show.note(`Made: ${((await client.images.inspect(IMAGE)).Id ?? '').slice(7, 19)}`);
}

async function removeContainer(client: EngineClient): Promise<void> {
  try {
    await client.containers.remove(NAME, { force: true, volumes: true });
  } catch (error) {
    if (!(error instanceof EngineError) || error.code !== 'not_found') throw error;
  }
}

/** The body of the answer. The server may need a moment after the container's start. */
async function askUntilAnswered(port: number): Promise<string> {
  const deadline = Date.now() + 10_000;
  for (;;) {
    const answer = await ask(port).catch(() => '');
    if (answer.includes(GREETING)) return GREETING;
    if (Date.now() > deadline) throw new CliError(`Nothing answers at http://127.0.0.1:${port}/: see 'gantry logs ${NAME}' and 'gantry doctor'`);
    await delay(20);
  }
}

function ask(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, timeout: 2000 });
    let text = '';
    socket.on('connect', () => socket.write('GET / HTTP/1.0\r\n\r\n'));
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    socket.once('timeout', () => socket.destroy(new Error('timed out')));
    socket.once('error', reject);
    socket.once('close', () => resolve(text));
  });
}
