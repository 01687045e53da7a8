import { createReadStream, writeFileSync } from 'node:fs';
import { fromText, toText } from '#spec/tar/header.ts';
import { TarReader } from '#spec/tar/reader.ts';
import { TAR_END, tarHeader, tarPadding } from '#spec/tar/writer.ts';
import { CliError, defineCommand, type Command } from '../command/command.ts';
import { systemMessage } from '../container/options/environment.ts';
import { findContext, metaJson, parseMeta, readTls, requireContext, writeContext } from './store.ts';

const LARGEST = 10 * 1024 * 1024;

export const exportContext: Command = defineCommand({
  usage: '[OPTIONS] CONTEXT [FILE|-]',
  short: 'Write a context to a tar archive, keys and all',
  flags: {},
  args: { min: 1, max: 2 },
  complete: ['context', 'file'],
  async run({ cli, args: [name = '', target] }) {
    const context = requireContext(cli.configFolder, name);
    const parts: Buffer[] = [];
    const file = (path: string, text: string): void => {
      const data = Buffer.from(text);
      parts.push(tarHeader({ name: fromText(path), type: 'file', mode: 0o644, size: data.length }), data, tarPadding(data.length));
    };
    const folder = (path: string): number => parts.push(tarHeader({ name: fromText(path), type: 'dir', mode: 0o700 }));
    file('meta.json', metaJson(context));
    folder('tls');
    const tls = Object.entries(readTls(cli.configFolder, name));
    if (tls.length > 0) folder('tls/docker');
    for (const [key, text] of tls) file(`tls/docker/${key}.pem`, text);
    const tar = Buffer.concat([...parts, TAR_END]);
    const path = target ?? `${name}.dockercontext`;
    if (path === '-') {
      if (cli.out.terminal) throw new CliError('cowardly refusing to export to a terminal, specify a file path');
      cli.out.write(tar);
      return;
    }
    try {
      writeFileSync(path, tar, { flag: 'wx', mode: 0o600 });
    } catch (error) {
      throw new CliError(`open ${path}: ${systemMessage(error)}`);
    }
    cli.err.line(`Written file ${JSON.stringify(path)}`);
  },
});

export const importContext: Command = defineCommand({
  usage: 'CONTEXT FILE|-',
  short: 'Read a context from a tar archive',
  flags: {},
  args: { min: 2, max: 2 },
  complete: ['none', 'file'],
  async run({ cli, args: [name = '', source = ''] }) {
    if (!/^[a-zA-Z0-9][a-zA-Z0-9_.+-]+$/.test(name)) throw new CliError(`context name ${JSON.stringify(name)} is invalid, names are validated against regexp "^[a-zA-Z0-9][a-zA-Z0-9_.+-]+$"`);
    if (findContext(cli.configFolder, name)) throw new CliError(`context ${JSON.stringify(name)} already exists`);
    const files = await readFiles(source === '-' ? process.stdin : createReadStream(source), source);
    const meta = files.get('meta.json');
    if (meta === undefined) throw new CliError(`${source} holds no meta.json: it is no exported context`);
    const tls = Object.fromEntries((['ca', 'cert', 'key'] as const).flatMap((key) => {
      const text = files.get(`tls/docker/${key}.pem`);
      return text === undefined ? [] : [[key, text]];
    }));
    writeContext(cli.configFolder, { ...parseMeta(meta), name }, tls);
    cli.out.line(name);
    cli.err.line(`Successfully imported context ${JSON.stringify(name)}`);
  },
});

async function readFiles(input: AsyncIterable<Uint8Array>, source: string): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  let total = 0;
  let current: { name: string; chunks: Buffer[] } | undefined;
  const reader = new TarReader({
    entry: (entry) => {
      current = entry.type === 'file' ? { name: toText(entry.name).replace(/^\.\//, ''), chunks: [] } : undefined;
    },
    data: (chunk) => {
      current?.chunks.push(Buffer.from(chunk));
    },
    end: () => {
      if (current) files.set(current.name, Buffer.concat(current.chunks).toString());
      current = undefined;
    },
  });
  try {
    for await (const chunk of input) {
      total += chunk.length;
      if (total > LARGEST) throw new CliError(`${source} is larger than a context can be`);
      reader.write(Buffer.from(chunk));
    }
    reader.end();
  } catch (error) {
    if (error instanceof Error && 'syscall' in error) throw new CliError(`open ${source}: ${systemMessage(error)}`);
    throw error;
  }
  return files;
}
