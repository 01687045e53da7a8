import type { ContainerDefaults } from './input.ts';

/** What Docker does when nothing is configured, with our own bounded logs. */
export const dockerDefaults: ContainerDefaults = {
  runtimes: ['crun', 'runc'],
  defaultRuntime: 'crun',
  shmSize: 64 << 20,
  ipcMode: 'private',
  cgroupnsMode: undefined,
  logConfig: { Type: 'json-file', Config: {} },
  ulimits: [],
  init: false,
  noNewPrivileges: false,
  seccompProfile: undefined,
  cgroupParent: '',
  usernsRemap: undefined,
};
