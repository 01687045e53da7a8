import type { ConfigFile } from '../../command/config-file.ts';

const names: Readonly<Record<string, string>> = {
  httpProxy: 'HTTP_PROXY', httpsProxy: 'HTTPS_PROXY', ftpProxy: 'FTP_PROXY', noProxy: 'NO_PROXY', allProxy: 'ALL_PROXY',
};

/** Proxy variables that the client configuration asks for, unless the user set them. */
export function proxyVariables(config: ConfigFile, environment: readonly string[], host: string): string[] {
  const proxies = config.proxies?.[host] ?? config.proxies?.['default'];
  if (!proxies) return [];
  const set = new Set(environment.map((item) => item.split('=')[0]?.toUpperCase()));
  return Object.entries(names).flatMap(([key, variable]) => {
    const value = proxies[key];
    if (value === undefined || set.has(variable)) return [];
    return [`${variable}=${value}`, `${variable.toLowerCase()}=${value}`];
  });
}
