import type { ApiRequest } from './api-request.ts';
import type { Reply } from './reply.ts';

export type Handler = (request: ApiRequest) => Promise<Reply> | Reply;

export interface Route {
  method: string;
  /** `/containers/{id}/json`; a parameter takes any characters, slashes too, as Docker's routes do. */
  pattern: string;
  handle: Handler;
  /** May take over the connection when the client asks for an upgrade. */
  hijacks?: boolean;
}

export interface RouteMatch {
  route: Route;
  params: Readonly<Record<string, string>>;
}

interface CompiledRoute {
  route: Route;
  regex: RegExp;
  names: readonly string[];
}

const NO_PARAMS: Readonly<Record<string, string>> = {};

/** Finds the route of a method and a path. Routes given first win. */
export class Router {
  readonly #fixed = new Map<string, Route>();
  readonly #byFirstWord = new Map<string, CompiledRoute[]>();

  constructor(routes: readonly Route[]) {
    for (const route of routes) {
      if (!route.pattern.includes('{')) {
        this.#fixed.set(`${route.method} ${route.pattern}`, route);
        continue;
      }
      const names: string[] = [];
      const source = route.pattern.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
        names.push(name);
        return '(.+)';
      });
      const key = `${route.method} ${firstWord(route.pattern)}`;
      const group = this.#byFirstWord.get(key) ?? [];
      this.#byFirstWord.set(key, group);
      group.push({ route, regex: new RegExp(`^${source}$`), names });
    }
  }

  /** `path` is percent-decoded and has no version prefix. */
  find(method: string, path: string): RouteMatch | undefined {
    const fixed = this.#fixed.get(`${method} ${path}`);
    if (fixed) return { route: fixed, params: NO_PARAMS };
    for (const { route, regex, names } of this.#byFirstWord.get(`${method} ${firstWord(path)}`) ?? []) {
      const match = regex.exec(path);
      if (match) return { route, params: Object.fromEntries(names.map((name, index) => [name, match[index + 1]!])) };
    }
    return undefined;
  }
}

function firstWord(path: string): string {
  const end = path.indexOf('/', 1);
  return end < 0 ? path : path.slice(0, end);
}
