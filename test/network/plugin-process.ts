/**
 * A network and IPAM plugin as an administrator would run one: its networks are bridges of its own, its addresses come from
 * 10.215.N.0/24. Arguments: the socket, and the stem of its interfaces' names. `/Test.Behave` {Method, How} makes one method
 * `hang`, `die`, `fail`, or answer with How as JSON. Every call is printed.
 */
import { spawnSync } from 'node:child_process';
import { createServer } from 'node:http';

const [socket = '', stem = ''] = process.argv.slice(2);
const behaviour = new Map<string, string>();
const pools = new Map<string, { subnet: string; taken: Set<string> }>();
const endpoints = new Map<string, string>();
let bridges = 0;
let links = 0;

function ip(...args: string[]): void {
  const { status, stderr } = spawnSync('ip', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`ip ${args.join(' ')}: ${stderr.trim()}`);
}

type Body = Record<string, unknown> & { NetworkID: string; EndpointID: string; PoolID: string; Address: string; Pool: string; Interface?: { Address?: string } };
const bridgeOf = new Map<string, string>();

const methods: Record<string, (body: Body) => unknown> = {
  'Plugin.Activate': () => ({ Implements: ['NetworkDriver', 'IpamDriver'] }),
  'NetworkDriver.GetCapabilities': () => ({ Scope: 'local', ConnectivityScope: 'local' }),
  'NetworkDriver.CreateNetwork': (body) => {
    const bridge = `${stem}b${bridges++}`;
    bridgeOf.set(body.NetworkID, bridge);
    ip('link', 'add', bridge, 'type', 'bridge');
    ip('link', 'set', bridge, 'up');
    const [data] = body['IPv4Data'] as { Gateway: string }[];
    if (data?.Gateway) ip('address', 'add', data.Gateway, 'dev', bridge);
    return {};
  },
  'NetworkDriver.DeleteNetwork': (body) => {
    ip('link', 'delete', bridgeOf.get(body.NetworkID) ?? '');
    return {};
  },
  'NetworkDriver.CreateEndpoint': (body) => {
    const name = `${stem}v${links++}`;
    endpoints.set(body.EndpointID, name);
    ip('link', 'add', name, 'type', 'veth', 'peer', 'name', `${name}p`);
    ip('link', 'set', name, 'master', bridgeOf.get(body.NetworkID) ?? '', 'up');
    return { Interface: { MacAddress: '02:99:00:00:00:01', ...(body.Interface?.Address ? {} : { Address: '10.216.0.9/24' }) } };
  },
  'NetworkDriver.Join': (body) => ({
    InterfaceName: { SrcName: `${endpoints.get(body.EndpointID) ?? ''}p`, DstPrefix: 'plug' },
    Gateway: '10.215.1.1',
    StaticRoutes: [{ Destination: '10.217.0.0/16', RouteType: 1, NextHop: '' }],
  }),
  'NetworkDriver.Leave': () => ({}),
  'NetworkDriver.DeleteEndpoint': (body) => {
    ip('link', 'delete', endpoints.get(body.EndpointID) ?? '');
    return {};
  },
  'IpamDriver.GetDefaultAddressSpaces': () => ({ LocalDefaultAddressSpace: 'testlocal', GlobalDefaultAddressSpace: 'testglobal' }),
  'IpamDriver.RequestPool': (body) => {
    const subnet = body.Pool || `10.215.${pools.size + 1}.0/24`;
    const id = `pool-${pools.size + 1}`;
    pools.set(id, { subnet, taken: new Set() });
    return { PoolID: id, Pool: subnet, Data: {} };
  },
  'IpamDriver.RequestAddress': (body) => {
    const pool = pools.get(body.PoolID);
    if (pool === undefined) throw new Error('no such pool');
    for (let last = 1; last < 255; last++) {
      const address = body.Address || pool.subnet.replace(/\.0\/\d+$/, `.${last}`);
      if (pool.taken.has(address)) {
        if (body.Address) throw new Error(`${address} is taken`);
        continue;
      }
      pool.taken.add(address);
      return { Address: `${address}/24`, Data: {} };
    }
    throw new Error('pool is full');
  },
  'IpamDriver.ReleaseAddress': (body) => {
    pools.get(body.PoolID)?.taken.delete(body.Address);
    return {};
  },
  'IpamDriver.ReleasePool': (body) => {
    pools.delete(body.PoolID);
    return {};
  },
  'Test.Behave': (body) => {
    behaviour.set(String(body['Method']), String(body['How']));
    return {};
  },
  'Test.Taken': () => ({ Taken: [...pools.values()].flatMap(({ taken }) => [...taken]), Pools: pools.size }),
};

createServer((request, response) => {
  let text = '';
  request.on('data', (part: Buffer) => (text += part.toString()));
  request.on('end', () => {
    const method = request.url?.slice(1) ?? '';
    process.stdout.write(`${method}\n`);
    const how = behaviour.get(method);
    if (how !== undefined) behaviour.delete(method);
    if (how === 'hang') return;
    if (how === 'die') process.exit(1);
    try {
      if (how === 'fail') throw new Error('the plugin does not want to');
      const answer = how === undefined ? methods[method]?.(JSON.parse(text || '{}') as Body) : JSON.parse(how);
      if (answer === undefined) response.writeHead(404).end('404 page not found');
      else response.end(JSON.stringify(answer));
    } catch (error) {
      response.writeHead(500).end(JSON.stringify({ Err: error instanceof Error ? error.message : String(error) }));
    }
  });
}).listen(socket, () => process.stdout.write('ready\n'));
