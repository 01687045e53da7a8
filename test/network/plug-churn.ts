/** Connects and disconnects one container without end, to be killed at any moment. Arguments: the rig's folder, the container. */
import { asContainerId } from '#spec/ids.ts';
import { NetworkRig } from './rig.ts';

const rig = new NetworkRig({}, process.argv[2] ?? '');
const container = asContainerId(process.argv[3] ?? '');
rig.attached.set(container, { name: 'plugged', mode: 'bridge', networks: new Set(['bridge']), hosts: '' });
await rig.restart([container]);
process.stdout.write('churning\n');
for (;;) {
  await rig.room.networks.connect('second', { Container: container });
  await rig.room.networks.disconnect('second', { Container: container });
}
