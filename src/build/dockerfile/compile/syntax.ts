import { EngineError } from '#base/errors.ts';
import { directivesOf } from '../parser/directives.ts';

/** Dockerfile frontends whose language is spoken here without their image. */
const native = /^(?:docker\.io\/)?docker\/dockerfile(?:-upstream)?(?::(?:latest|master|labs|1(?:\.\d+)*(?:-labs)?|[a-z0-9.-]*-labs))?(?:@sha256:[0-9a-f]{64})?$/;

/** `# syntax=` may name Docker's own frontend in any version of the language 1; others run as images, which is not done here. */
export function checkSyntax(text: string, buildArgs: Readonly<Record<string, string>>): void {
  const syntax = (buildArgs['BUILDKIT_SYNTAX'] ?? directivesOf(text).get('syntax') ?? '').split(' ', 1)[0] ?? '';
  if (syntax === '' || native.test(syntax)) return;
  throw new EngineError('not_implemented', `the Dockerfile frontend ${JSON.stringify(syntax)} is not supported: docker/dockerfile:1 is spoken natively, frontends from other images are not run`);
}
