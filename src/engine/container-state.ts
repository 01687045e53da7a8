/** The states of a container and every way from one to another. */
export type ContainerStatus = 'created' | 'running' | 'paused' | 'restarting' | 'exited' | 'removing' | 'dead';

/** From → to → what brings it about. What is not listed never happens; `docs/` shows this table. */
export const transitions: Readonly<Record<ContainerStatus, Readonly<Partial<Record<ContainerStatus, string>>>>> = {
  created: { running: 'start', removing: 'remove' },
  running: { paused: 'pause', exited: 'its process ended', restarting: 'its process ended and its restart policy starts it again' },
  paused: { running: 'unpause', exited: 'its process ended', restarting: 'its process ended and its restart policy starts it again' },
  restarting: { running: 'the delay passed', exited: 'stop, or the start failed for good' },
  exited: { running: 'start', removing: 'remove' },
  removing: { dead: 'something of it could not be removed' },
  dead: { removing: 'remove' },
};

/** A process that cannot be mistaken for another: its pid and the clock tick of its start. */
export interface ProcessFacts {
  pid: number;
  startTime: number;
  /** conmon's pid; 0 when it was never learnt. */
  monitorPid: number;
  monitorStartTime: number;
}

/** Where a container is in its life, with what only that state knows. */
export type Life =
  | { status: 'created' | 'exited' | 'dead' }
  | { status: 'running' | 'paused'; process: ProcessFacts }
  | { status: 'restarting'; /** Milliseconds since the epoch of the next start. */ at: number }
  | { status: 'removing'; /** Anonymous volumes go too. */ volumes: boolean };

export const hasProcess = (life: Life): life is Extract<Life, { process: ProcessFacts }> => life.status === 'running' || life.status === 'paused';

export const mayBecome = (from: ContainerStatus, to: ContainerStatus): boolean => from === to || transitions[from][to] !== undefined;

/** Docker's words: a container waiting for its restart counts as running. */
export const countsAsRunning = (status: ContainerStatus): boolean => status === 'running' || status === 'paused' || status === 'restarting';
