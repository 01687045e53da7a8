import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemdUnits } from './systemd.ts';

const units = systemdUnits({ command: ['/opt/my node/bin/node', '--flag=1', '/opt/100%/daemon.js'], socket: '/run/gantry/gantry.sock', group: 'gantry' });

/** `[Section]` and key → values, as systemd reads them. */
function parse(text: string): Record<string, Record<string, string>> {
  const sections: Record<string, Record<string, string>> = {};
  let section: Record<string, string> = {};
  for (const line of text.split('\n')) {
    const name = /^\[(\w+)\]$/.exec(line)?.[1];
    if (name !== undefined) section = sections[name] = {};
    else if (line.includes('=') && !line.startsWith('#')) section[line.slice(0, line.indexOf('='))] = line.slice(line.indexOf('=') + 1);
  }
  return sections;
}

test('the service starts the engine again at once and kills nothing beside it', () => {
  const { Service, Unit, Install } = parse(units.service);
  assert.equal(Service?.['ExecStart'], '"/opt/my node/bin/node" --flag=1 /opt/100%%/daemon.js');
  assert.deepEqual([Service?.['Restart'], Service?.['KillMode'], Service?.['Delegate']], ['always', 'process', 'yes']);
  assert.equal(Unit?.['Requires'], 'gantry.socket');
  assert.equal(Install?.['WantedBy'], 'multi-user.target');
});

test('the socket is for its group alone, and root\'s where there is no such group', () => {
  const { Socket } = parse(units.socket);
  assert.deepEqual([Socket?.['ListenStream'], Socket?.['SocketMode'], Socket?.['SocketGroup']], ['/run/gantry/gantry.sock', '0660', 'gantry']);
  assert.match(systemdUnits({ command: ['x'], socket: '/s', group: undefined }).socket, /^SocketGroup=root$/m);
});
