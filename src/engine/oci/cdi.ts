/** Container Device Interface 0.x/1.0: devices that vendors describe in files (cncf-tags/container-device-interface). */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parse as parseYaml } from 'yaml';
import { invalid, isErrno } from '#base/errors.ts';
import type { Hook, LinuxDevice, RuntimeSpec, SpecMount } from '#spec/oci-runtime.ts';
import { deviceNode, ruleFor } from './devices.ts';
import { overlayEnvironment } from './environment.ts';

const MAX_SPEC_BYTES = 4 << 20;

export interface ContainerEdits {
  env: string[];
  deviceNodes: { path: string; hostPath: string; permissions: string; type?: string; major?: number; minor?: number; fileMode?: number; uid?: number; gid?: number }[];
  mounts: { hostPath: string; containerPath: string; type: string; options: string[] }[];
  hooks: { hookName: string; path: string; args: string[]; env: string[]; timeout?: number }[];
  additionalGids: number[];
}

/** Qualified device name (`vendor.com/class=name`) → what its spec's file and the device itself edit. */
export type CdiDevices = ReadonlyMap<string, readonly ContainerEdits[]>;

/** Reads every spec; a later folder wins, a broken file is skipped (its devices are unresolvable then). */
export function readCdiDevices(folders: readonly string[]): CdiDevices {
  const devices = new Map<string, ContainerEdits[]>();
  for (const folder of folders) {
    for (const name of specFiles(folder)) {
      const path = join(folder, name);
      try {
        if (statSync(path).size > MAX_SPEC_BYTES) continue;
        const text = readFileSync(path, 'utf8');
        for (const [device, edits] of parseCdiSpec(name.endsWith('.json') ? JSON.parse(text) : parseYaml(text))) devices.set(device, edits);
      } catch {
        continue;
      }
    }
  }
  return devices;
}

function specFiles(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => /\.(json|ya?ml)$/.test(name)).sort();
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES')) return [];
    throw error;
  }
}

/** Throws invalid_argument for what is no spec. */
export function parseCdiSpec(value: unknown): [string, ContainerEdits[]][] {
  const spec = object(value);
  const kind = text(spec['kind']);
  if (!/^[a-zA-Z0-9][\w.-]*\/[a-zA-Z0-9][\w.-]*$/.test(kind)) throw invalid(`invalid CDI kind ${JSON.stringify(kind)}`);
  const common = parseEdits(spec['containerEdits']);
  return list(spec['devices']).map((entry) => {
    const device = object(entry);
    return [`${kind}=${text(device['name'])}`, [common, parseEdits(device['containerEdits'])]];
  });
}

function parseEdits(value: unknown): ContainerEdits {
  const edits = value === undefined || value === null ? {} : object(value);
  if (edits['intelRdt'] !== undefined) throw invalid('CDI intelRdt edits are not supported');
  return {
    env: strings(edits['env']),
    deviceNodes: list(edits['deviceNodes']).map((entry) => {
      const node = object(entry);
      const path = text(node['path']);
      const numbers = Object.fromEntries(
        (['major', 'minor', 'fileMode', 'uid', 'gid'] as const).flatMap((field) => (typeof node[field] === 'number' ? [[field, node[field]]] : [])),
      );
      return {
        path,
        hostPath: typeof node['hostPath'] === 'string' ? node['hostPath'] : path,
        permissions: typeof node['permissions'] === 'string' ? node['permissions'] : 'rwm',
        ...(typeof node['type'] === 'string' ? { type: node['type'] } : {}),
        ...numbers,
      };
    }),
    mounts: list(edits['mounts']).map((entry) => {
      const mount = object(entry);
      return {
        hostPath: text(mount['hostPath']),
        containerPath: text(mount['containerPath']),
        type: typeof mount['type'] === 'string' ? mount['type'] : 'bind',
        options: strings(mount['options']),
      };
    }),
    hooks: list(edits['hooks']).map((entry) => {
      const hook = object(entry);
      return {
        hookName: text(hook['hookName']),
        path: text(hook['path']),
        args: strings(hook['args']),
        env: strings(hook['env']),
        ...(typeof hook['timeout'] === 'number' ? { timeout: hook['timeout'] } : {}),
      };
    }),
    additionalGids: list(edits['additionalGIDs']).filter((id): id is number => typeof id === 'number' && id > 0),
  };
}

/** Applies devices by their qualified names. Throws invalid_argument as Docker does when one is not known. */
export function injectCdiDevices(spec: RuntimeSpec, names: readonly string[], devices: CdiDevices): void {
  const unknown = names.filter((name) => !devices.has(name));
  if (unknown.length > 0) throw invalid(`CDI device injection failed: unresolvable CDI devices ${unknown.join(', ')}`);
  // The same object for devices of one file: its common edits apply once.
  const edits = new Set(names.flatMap((name) => devices.get(name) ?? []));
  for (const edit of edits) applyEdits(spec, edit);
}

const hookNames = new Set(['prestart', 'createRuntime', 'createContainer', 'startContainer', 'poststart', 'poststop']);

function applyEdits(spec: RuntimeSpec, edits: ContainerEdits): void {
  spec.process.env = overlayEnvironment(spec.process.env, edits.env);
  const resources = (spec.linux.resources ??= {});
  for (const node of edits.deviceNodes) {
    const device = cdiNode(node);
    spec.linux.devices = [...(spec.linux.devices ?? []).filter(({ path }) => path !== device.path), device];
    resources.devices = [...(resources.devices ?? []), ruleFor(device, node.permissions)];
  }
  for (const mount of edits.mounts) {
    const added: SpecMount = {
      destination: mount.containerPath, type: mount.type, source: mount.hostPath,
      options: mount.options.length > 0 ? mount.options : ['rbind', 'rprivate', 'nosuid', 'nodev'],
    };
    spec.mounts = [...spec.mounts.filter(({ destination }) => destination !== mount.containerPath), added];
  }
  for (const { hookName, path, args, env, timeout } of edits.hooks) {
    if (!hookNames.has(hookName)) throw invalid(`CDI device injection failed: invalid hook name "${hookName}"`);
    const hook: Hook = { path, args: args.length > 0 ? args : [path], ...(env.length > 0 ? { env } : {}), ...(timeout === undefined ? {} : { timeout }) };
    const hooks = (spec.hooks ??= {});
    const name = hookName as keyof typeof hooks;
    hooks[name] = [...(hooks[name] ?? []), hook];
  }
  if (edits.additionalGids.length > 0) {
    const { user } = spec.process;
    user.additionalGids = [...new Set([...(user.additionalGids ?? []), ...edits.additionalGids])];
  }
}

function cdiNode(node: ContainerEdits['deviceNodes'][number]): LinuxDevice {
  const found = node.major === undefined || node.type === undefined ? hostNode(node.hostPath, node.path) : undefined;
  const type = node.type === 'b' || node.type === 'p' || node.type === 'u' || node.type === 'c' ? node.type : (found?.type ?? 'c');
  return {
    path: node.path,
    type,
    major: node.major ?? found?.major ?? 0,
    minor: node.minor ?? found?.minor ?? 0,
    fileMode: node.fileMode ?? found?.fileMode ?? 0o666,
    uid: node.uid ?? found?.uid ?? 0,
    gid: node.gid ?? found?.gid ?? 0,
  };
}

function hostNode(hostPath: string, path: string): LinuxDevice {
  const missing = (): Error => invalid(`CDI device injection failed: failed to stat CDI host device "${hostPath}": no such file or directory`);
  try {
    const device = deviceNode(statSync(hostPath), path);
    if (device === undefined) throw invalid(`CDI device injection failed: "${hostPath}" is not a device node`);
    return device;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) throw missing();
    throw error;
  }
}

function object(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid('invalid CDI spec: expected an object');
  return value as Record<string, unknown>;
}

function text(value: unknown): string {
  if (typeof value !== 'string' || value === '') throw invalid('invalid CDI spec: expected a text');
  return value;
}

function list(value: unknown): unknown[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw invalid('invalid CDI spec: expected a list');
  return value;
}

const strings = (value: unknown): string[] => list(value).map(text);
