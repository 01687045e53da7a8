import { CliError, defineCommand, type Command } from './command/command.ts';

/** A command of docker that Gantry does not have yet: one sentence, whatever the arguments. */
function later(sentence: string): Command {
  return defineCommand({
    usage: '[ARG...]',
    short: sentence,
    flags: {},
    args: { min: 0, max: undefined },
    stopAtFirstArg: true,
    anyFlags: true,
    run: async () => {
      throw new CliError(sentence);
    },
  });
}

export const buildx = later('Gantry has one builder, which is the engine: there is nothing to make or remove; bake and imagetools are not there yet.');
export const compose = later('This version of Gantry has no Compose yet.');
export const swarm = later('Gantry does not run swarms.');
export const plugin = later('This version of Gantry has no plugins yet.');
export const trust = later('This version of Gantry neither signs nor verifies images yet.');
export const checkpoint = later('Gantry does not make checkpoints.');
