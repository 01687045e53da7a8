import type { ContainerRecord } from './container-record.ts';

/** `About a minute`, `3 hours`, ...: Go's units.HumanDuration, which people and scripts know. */
export function humanDuration(milliseconds: number): string {
  const seconds = Math.trunc(milliseconds / 1000);
  if (seconds < 1) return 'Less than a second';
  if (seconds === 1) return '1 second';
  if (seconds < 60) return `${seconds} seconds`;
  const minutes = Math.trunc(seconds / 60);
  if (minutes === 1) return 'About a minute';
  if (minutes < 60) return `${minutes} minutes`;
  const hours = Math.round(seconds / 3600);
  if (hours === 1) return 'About an hour';
  if (hours < 48) return `${hours} hours`;
  if (hours < 24 * 7 * 2) return `${Math.trunc(hours / 24)} days`;
  if (hours < 24 * 30 * 2) return `${Math.trunc(hours / 24 / 7)} weeks`;
  if (hours < 24 * 365 * 2) return `${Math.trunc(hours / 24 / 30)} months`;
  return `${Math.trunc(seconds / 3600 / 24 / 365)} years`;
}

/** The STATUS column of `ps`. `now` in milliseconds since the epoch. */
export function statusText(record: Pick<ContainerRecord, 'life' | 'exitCode' | 'startedAt' | 'finishedAt' | 'health'>, now: number): string {
  const since = (time: string): string => humanDuration(Math.max(0, now - Date.parse(time)));
  switch (record.life.status) {
    case 'running': {
      const health = record.health?.Status;
      const shown = health === undefined || health === 'none' ? '' : ` (${health === 'starting' ? 'health: starting' : health})`;
      return `Up ${since(record.startedAt)}${shown}`;
    }
    case 'paused':
      return `Up ${since(record.startedAt)} (Paused)`;
    case 'restarting':
      return `Restarting (${record.exitCode}) ${since(record.finishedAt)} ago`;
    case 'removing':
      return 'Removal In Progress';
    case 'dead':
      return 'Dead';
    case 'created':
      return 'Created';
    case 'exited':
      return `Exited (${record.exitCode}) ${since(record.finishedAt)} ago`;
  }
}
