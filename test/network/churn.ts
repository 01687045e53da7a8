/** Brings sandboxes up and down without end, to be killed at any moment. Argument: the folder of the rig. */
import { newContainer, NetworkRig } from './rig.ts';

const rig = new NetworkRig({}, process.argv[2] ?? '');
await rig.begin();
process.stdout.write('churning\n');
const churn = async (): Promise<never> => {
  for (;;) {
    const container = newContainer();
    await rig.up({ container, ports: { '80/tcp': [{ HostIp: '127.0.0.1', HostPort: '' }] } });
    await rig.room.sandboxes.down(container);
    const { Id } = await rig.room.networks.create({ Name: `n${container.slice(0, 8)}` });
    await rig.room.networks.remove(Id);
  }
};
await Promise.all([churn(), churn(), churn()]);
