import { EngineError, invalid } from '#base/errors.ts';
import { newId } from '#base/ids.ts';
import type { StepMount, StepResult } from '#host/step.ts';
import type { CacheMounts } from '../cache/mounts.ts';
import type { BuildLayers, NewLayer } from '../cache/layers.ts';
import type { ExecMount, ExecOp } from '../graph/vertex.ts';
import type { Operation, Operator } from '../solver/solver.ts';
import type { Tree } from '../tree.ts';

/** RUN: what the program writes becomes a layer by keeping the folder it was written to. */
export function execOperator(options: { layers: BuildLayers; mounts: CacheMounts }): Operator {
  return {
    async run(operation) {
      const { op } = operation.vertex;
      if (op.kind !== 'exec') throw new EngineError('internal', 'not an exec');
      if (op.network === 'host') operation.scope.allow('network.host');
      if (op.security === 'insecure') operation.scope.allow('security.insecure');
      const run = new ExecRun(op, operation, options);
      return run.run();
    },
  };
}

class ExecRun {
  readonly #op: ExecOp;
  readonly #operation: Operation;
  readonly #layers: BuildLayers;
  readonly #mounts: CacheMounts;
  readonly #made: NewLayer[] = [];
  readonly #held = new DisposableStack();
  /** Released once the step has ended. */
  readonly #during = new AsyncDisposableStack();

  constructor(op: ExecOp, operation: Operation, { layers, mounts }: { layers: BuildLayers; mounts: CacheMounts }) {
    this.#op = op;
    this.#operation = operation;
    this.#layers = layers;
    this.#mounts = mounts;
  }

  async run(): Promise<{ trees: Tree[]; held: Disposable; kind: 'regular' }> {
    const trees: Tree[] = [];
    try {
      const root = this.#op.mounts.find((mount) => mount.destination === '/');
      if (root === undefined || root.type !== 'bind') throw invalid('an exec has no root');
      const rootLayer = this.#newLayer();
      if (root.output >= 0) trees[root.output] = [...this.#tree(root.input), rootLayer.id];
      const mounts: StepMount[] = [];
      for (const mount of this.#op.mounts) if (mount !== root) mounts.push(...(await this.#mount(mount, trees)));
      const result = await this.#step(root, rootLayer, mounts);
      this.#judge(result);
      await this.#during.disposeAsync();
      for (const layer of this.#made) await this.#layers.seal(layer);
      return { trees, held: this.#held, kind: 'regular' };
    } catch (error) {
      await this.#during.disposeAsync();
      this.#held.dispose();
      for (const layer of this.#made) await this.#layers.discard(layer);
      throw error;
    }
  }

  #tree(input: number): Tree {
    if (input < 0) return [];
    const tree = this.#operation.inputs[input];
    if (tree === undefined) throw invalid(`an exec names input ${input}, which it does not have`);
    return tree;
  }

  #newLayer(): NewLayer {
    const layer = this.#layers.create();
    this.#made.push(layer);
    this.#held.use(this.#layers.protect([layer.id]));
    return layer;
  }

  async #mount(mount: ExecMount, trees: Tree[]): Promise<StepMount[]> {
    const { scope, signal } = this.#operation;
    const { destination, selector, readOnly } = mount;
    switch (mount.type) {
      case 'bind': {
        const tree = this.#tree(mount.input);
        const layer = mount.output >= 0 && !readOnly ? this.#newLayer() : undefined;
        if (mount.output >= 0) trees[mount.output] = layer === undefined ? tree : [...tree, layer.id];
        return [{ kind: 'tree', lower: this.#layers.folders(tree), scratch: layer, selector, destination, readOnly }];
      }
      case 'cache': {
        const base = mount.input < 0 ? undefined : { tree: this.#tree(mount.input), selector };
        const taken = await this.#mounts.take({ id: mount.cacheId, sharing: mount.sharing, base, description: `${this.#operation.vertex.meta.name}: cache ${destination}` }, signal);
        this.#during.use(taken);
        return [{ kind: 'folder', path: taken.folder, selector: '', destination, readOnly }];
      }
      case 'tmpfs':
        return [{ kind: 'tmpfs', destination, size: mount.size }];
      case 'secret': {
        const data = await scope.secrets.get(mount.secretId);
        if (data === undefined) {
          if (mount.optional) return [];
          throw invalid(`secret ${mount.secretId}: not found: give it with --secret id=${mount.secretId},src=FILE`);
        }
        return [{ kind: 'secret', destination, data, uid: mount.uid, gid: mount.gid, mode: mount.mode }];
      }
      case 'ssh': {
        const path = await scope.ssh.socket(mount.sshId);
        if (path === undefined) {
          if (mount.optional) return [];
          throw invalid(`unset ssh forward key ${mount.sshId}: give it with --ssh ${mount.sshId}`);
        }
        return [{ kind: 'socket', destination, path }];
      }
    }
  }

  async #step(root: ExecMount, layer: NewLayer, mounts: StepMount[]): Promise<StepResult> {
    const { vertex, scope, tell, signal } = this.#operation;
    const { meta } = this.#op;
    const id = newId();
    tell({ kind: 'running', id });
    return scope.steps.run({
      id,
      root: { lower: this.#layers.folders(this.#tree(root.input)), upper: layer.upper, work: layer.work, readOnly: root.readOnly },
      mounts,
      args: meta.args,
      env: [...meta.env, ...proxies(meta.proxy), ...(await this.#secretEnv()), ...this.#sshEnv(mounts)],
      cwd: meta.cwd,
      user: meta.user,
      hostname: meta.hostname === '' ? 'buildkitsandbox' : meta.hostname,
      extraHosts: meta.extraHosts,
      ulimits: meta.ulimits,
      shmSize: scope.shmSize,
      network: this.#op.network === 'sandbox' ? (scope.networkName ?? 'sandbox') : this.#op.network,
      announced: scope.announced,
      insecure: this.#op.security === 'insecure',
      platform: vertex.platform,
      output: (stream, data) => tell({ kind: 'log', stream, data }),
      signal,
    });
  }

  async #secretEnv(): Promise<string[]> {
    const found = await Promise.all(this.#op.secretEnv.map(async ({ id, name, optional }) => {
      const data = await this.#operation.scope.secrets.get(id);
      if (data !== undefined) return [`${name}=${Buffer.from(data).toString()}`];
      if (optional) return [];
      throw invalid(`secret ${id}: not found: give it with --secret id=${id},env=NAME`);
    }));
    return found.flat();
  }

  #sshEnv(mounts: readonly StepMount[]): string[] {
    const socket = mounts.find((mount) => mount.kind === 'socket');
    return socket === undefined || this.#op.meta.env.some((entry) => entry.startsWith('SSH_AUTH_SOCK=')) ? [] : [`SSH_AUTH_SOCK=${socket.destination}`];
  }

  #judge({ exitCode, oomKilled, refusal }: StepResult): void {
    const { validExitCodes, args } = this.#op.meta;
    if (validExitCodes.length === 0 ? exitCode === 0 : validExitCodes.includes(exitCode)) return;
    if (refusal !== undefined) this.#operation.tell({ kind: 'log', stream: 'stderr', data: Buffer.from(`${refusal}\n`) });
    const memory = oomKilled ? ': the kernel killed it for want of memory' : '';
    throw new EngineError('invalid_argument', `process ${JSON.stringify(args.join(' '))} did not complete successfully: exit code: ${exitCode}${memory}`, {
      details: { exitCode, args, oomKilled, ...(refusal === undefined ? {} : { refusal }) },
    });
  }
}

function proxies(given: Readonly<Record<string, string>> | undefined): string[] {
  return Object.entries(given ?? {}).map(([name, value]) => `${name}=${value}`);
}
