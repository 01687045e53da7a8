import { spawnSync } from 'node:child_process';
import { EngineError } from '#base/errors.ts';
import { nativeInterface, type NativeFunction } from './libc.ts';
import { message } from './netlink-message.ts';
import { NetlinkSocket } from './netlink.ts';

/** Carries out nft texts, each as one transaction. Synchronous: 0.2 ms for an element, a few for a whole table. */
export interface Nft {
  /** Throws `internal` with nft's own words. */
  run(ruleset: string): void;
  /** The output of a `list` command as `nft -j` prints it; undefined when the thing does not exist. */
  list(what: string): unknown;
}

/** libnftables in this thread when the machine has it, else a spawned `nft`. Stays in the network namespace of its making. */
export function openNft(): Nft {
  try {
    return throughLibrary();
  } catch {
    return throughProcess();
  }
}

const JSON_OUTPUT = 1 << 4;

function throughLibrary(): Nft {
  const library = nativeInterface().load('libnftables.so.1');
  const bind = (prototype: string): NativeFunction => library.func(prototype) as NativeFunction;
  const context = bind('void *nft_ctx_new(uint32_t flags)')(0);
  const run = bind('int nft_run_cmd_from_buffer(void *ctx, const char *text)');
  const output = bind('const char *nft_ctx_get_output_buffer(void *ctx)');
  const error = bind('const char *nft_ctx_get_error_buffer(void *ctx)');
  const setFlags = bind('void nft_ctx_output_set_flags(void *ctx, unsigned int flags)');
  bind('int nft_ctx_buffer_output(void *ctx)')(context);
  bind('int nft_ctx_buffer_error(void *ctx)')(context);
  const attempt = (text: string, flags: number): { failed: boolean; output: string; error: string } => {
    setFlags(context, flags);
    const failed = run(context, text) !== 0;
    // Reading a buffer empties it, so both are read every time.
    return { failed, output: String(output(context)), error: String(error(context)) };
  };
  return {
    run: (ruleset) => {
      const result = attempt(ruleset, 0);
      if (result.failed) throw refused(result.error, ruleset);
    },
    list: (what) => {
      const result = attempt(`list ${what}`, JSON_OUTPUT);
      return result.failed ? undefined : JSON.parse(result.output);
    },
  };
}

function throughProcess(): Nft {
  const spawn = (args: string[], input: string): { failed: boolean; output: string; error: string } => {
    const result = spawnSync('nft', args, { input, encoding: 'utf8' });
    if (result.error) throw new EngineError('unavailable', 'the firewall needs nftables: install the package nftables', { cause: result.error });
    return { failed: result.status !== 0, output: result.stdout, error: result.stderr };
  };
  return {
    run: (ruleset) => {
      const result = spawn(['-f', '-'], ruleset);
      if (result.failed) throw refused(result.error, ruleset);
    },
    list: (what) => {
      const result = spawn(['-j', 'list', ...what.split(' ')], '');
      return result.failed ? undefined : JSON.parse(result.output);
    },
  };
}

function refused(error: string, ruleset: string): EngineError {
  return new EngineError('internal', `nft refused: ${error.trim().split('\n')[0] ?? ''}`, { details: { ruleset } });
}

const NETLINK_NETFILTER = 12;
const NFT_MSG_GETGEN = (10 << 8) | 16;

/** The number that the kernel raises with every change of any nft rule in the socket's network namespace. */
export function rulesetGeneration(socket: NetlinkSocket): number {
  const answer = socket.ask({ what: 'read the nft generation', message: message(NFT_MSG_GETGEN, 0, Buffer.alloc(4)) });
  // nfgenmsg, then NFTA_GEN_ID (1) as a big-endian number.
  return answer.body.readUInt32BE(4 + 4);
}

export const openNetfilterSocket = (): NetlinkSocket => new NetlinkSocket(NETLINK_NETFILTER);
