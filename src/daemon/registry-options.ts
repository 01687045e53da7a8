/** What settings in daemon.json's terms mean for registries. */
import { join } from 'node:path';
import { invalid } from '#base/errors.ts';
import type { RegistriesOptions } from '#image/registry/registries.ts';
import type { Settings } from '#spec/daemon/options.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** Proxies of the engine itself: options first, then the environment in either case. */
export function proxySettings(settings: Readonly<Settings>, env: Environment = process.env): { http: string; https: string; no: string } {
  const object = settings.proxies ?? {};
  const choose = (key: 'http-proxy' | 'https-proxy' | 'no-proxy', ...variables: string[]): string => {
    const value = settings[key] ?? object[key];
    return typeof value === 'string' ? value : (variables.map((name) => env[name]).find((found) => found !== undefined) ?? '');
  };
  return { http: choose('http-proxy', 'HTTP_PROXY', 'http_proxy'), https: choose('https-proxy', 'HTTPS_PROXY', 'https_proxy'), no: choose('no-proxy', 'NO_PROXY', 'no_proxy') };
}

/** Throws invalid_argument for numbers that make no sense. */
export function registryOptions(settings: Readonly<Settings>, options: { rootless: boolean; version: string; env?: Environment }): RegistriesOptions {
  const env = options.env ?? process.env;
  const positive = (key: 'max-concurrent-downloads' | 'max-concurrent-uploads' | 'max-download-attempts'): number | undefined => {
    const value = settings[key];
    if (value !== undefined && value < (key === 'max-download-attempts' ? 1 : 0)) throw invalid(`invalid ${key.replaceAll('-', ' ')}: ${value}`);
    return value === 0 ? undefined : value;
  };
  const home = env['XDG_CONFIG_HOME'] ?? join(env['HOME'] ?? '/', '.config');
  const folders = options.rootless ? [join(home, 'gantry/certs.d'), join(home, 'docker/certs.d')] : [];
  return {
    mirrors: settings['registry-mirrors'],
    insecure: settings['insecure-registries'],
    allowNondistributable: settings['allow-nondistributable-artifacts'],
    downloads: positive('max-concurrent-downloads'),
    uploads: positive('max-concurrent-uploads'),
    attempts: positive('max-download-attempts'),
    proxy: proxySettings(settings, env),
    certificateFolders: [...folders, '/etc/gantry/certs.d', '/etc/docker/certs.d'],
    userAgent: `gantry/${options.version}`,
  };
}
