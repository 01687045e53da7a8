import * as flag from './flag.ts';

export const globalFlags = {
  config: flag.text('Folder of the client configuration', { complete: 'file' }),
  context: flag.text('Name of the context to use', { short: 'c', complete: 'context' }),
  debug: flag.bool('Show what happens underneath', { short: 'D' }),
  host: flag.list('Engine to talk to: unix://PATH or tcp://HOST:PORT', { short: 'H' }),
  'log-level': flag.text('How much to log: debug, info, warn, error, fatal', { short: 'l', default: 'info', complete: ['debug', 'info', 'warn', 'error', 'fatal'] }),
  tls: flag.bool('Use TLS; implied by --tlsverify'),
  tlscacert: flag.text('Trust only certificates signed by this authority', { complete: 'file' }),
  tlscert: flag.text('Certificate to show to the engine', { complete: 'file' }),
  tlskey: flag.text('Key of the certificate', { complete: 'file' }),
  tlsverify: flag.bool('Use TLS and verify the engine'),
  version: flag.bool('Print the version and quit', { short: 'v' }),
} as const satisfies flag.FlagTable;

export type GlobalFlags = flag.FlagValues<typeof globalFlags>;
