/** The build room, plugged into the engine's others. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '#base/clock.ts';
import { invalid } from '#base/errors.ts';
import type { BuildService } from '#api/services.ts';
import { Builder } from '#build/builder.ts';
import { NativeBuilds } from '#build/native/native-builds.ts';
import { classicBuild } from '#build/legacy/classic.ts';
import type { ContainerContext } from '#engine/context.ts';
import { createStepLedger } from '#engine/steps/ledger.ts';
import { Steps } from '#engine/steps/step-runner.ts';
import type { CgroupHierarchies } from '#host/cgroup.ts';
import { createCrun } from '#host/crun.ts';
import type { Database } from '#host/database.ts';
import type { Runtime } from '#host/runtime.ts';
import type { EmitEvent } from '#spec/event.ts';
import type { Images } from '#image/images.ts';
import { goArchitecture } from '#image/configuration.ts';
import { compileDockerfile } from '#build/dockerfile/compile/compile.ts';
import { createBaseImages } from '#build/sources/base-images.ts';

export interface Builds {
  service: BuildService;
  recover(): Promise<void>;
  close(): Promise<void>;
}

export function createBuilds(options: {
  context: ContainerContext;
  images: Images;
  db: Database;
  cgroups: CgroupHierarchies;
  runtimePaths: Readonly<Record<string, string>>;
  rootless: boolean;
  clock: Clock;
  emit: EmitEvent;
}): Builds {
  const { context, images, db, cgroups, rootless, clock } = options;
  const { layout, log, jail, networks, facts, defaults, filters, cgroupParent } = context;
  // Steps have a state folder of their own: no container's recovery meets them.
  const stateRoot = join(layout.run, 'step-state');
  let runtime: Runtime | undefined;
  const stepRuntime = (): { runtime: Runtime; stateRoot: string } => {
    const name = defaults.defaultRuntime;
    const path = options.runtimePaths[name];
    if (path === undefined) throw invalid(`unknown or invalid runtime name: ${name}`);
    return { runtime: (runtime ??= createCrun({ path, name, stateRoot, cgroups })), stateRoot };
  };
  const steps = new Steps({ layout, log, mounts: context.mounts, jail, networks, facts, defaults, filters, cgroups, cgroupParent, ledger: createStepLedger(db), runtime: stepRuntime, rootless,
    emit: options.emit,
    containerNetwork: (name) => containerNetwork(context, name),
  });
  const builder = new Builder({
    layout, db, log, clock, jail, steps, rootless,
    images: images.context,
    baseImages: createBaseImages(images),
    frontend: compileDockerfile,
    platform: { os: 'linux', architecture: goArchitecture() },
  });
  const natives = new NativeBuilds({ builder, images });
  return {
    service: {
      classic: (request, body, signal) => classicBuild(builder, request, body, signal),
      prune: (request) => builder.collector.prune(request),
      cancel: async (id) => natives.cancel(id),
      offerContext: (sharedKey, files) => builder.contexts.offer(sharedKey, files),
      offerTar: (tar) => builder.contexts.offerTar(tar),
      fillContext: (id, tar) => builder.contexts.fill(id, tar),
      native: (request, signal) => natives.build(request, signal),
      output: (ref, index) => natives.output(ref, index),
      diskUsage: () => builder.collector.usage(),
      history: () => builder.history.list(),
      historyOf: (ref) => builder.history.get(ref),
      forget: (ref) => (ref === undefined ? builder.history.clear() : builder.history.remove(ref)),
    },
    recover: () => builder.recover(),
    close: async () => {},
  };
}

/** For `--network container:x`: the container's own namespace and files. */
function containerNetwork({ store, layout }: ContainerContext, name: string): { netnsPath: string; hosts: string; resolvConf: string } {
  const { id, life } = store.find(name);
  if (life.status !== 'running' && life.status !== 'paused') throw invalid(`cannot join network of a non running container: ${id}`);
  const read = (file: string): string => readFileSync(join(layout.container(id), file), 'utf8');
  return { netnsPath: `/proc/${life.process.pid}/ns/net`, hosts: read('hosts'), resolvConf: read('resolv.conf') };
}
