import type { Services } from '../services.ts';

export type FakeServices = { [Noun in keyof Services]?: Partial<Services[Noun]> };

/** Services of which a test gives the methods it needs; calling another one fails by name. */
export function fakeServices(given: FakeServices): Services {
  const noun = <K extends keyof Services>(name: K): Services[K] =>
    new Proxy((given[name] ?? {}) as Services[K], {
      get: (target, method) =>
        Reflect.get(target, method) ??
        (() => {
          throw new Error(`the test gives no ${name}.${String(method)}`);
        }),
    });
  return {
    containers: noun('containers'),
    execs: noun('execs'),
    images: noun('images'),
    builds: noun('builds'),
    volumes: noun('volumes'),
    networks: noun('networks'),
    system: noun('system'),
  };
}
