import { randomInt } from 'node:crypto';
import { invalid } from '#base/errors.ts';

const qualities =
  'able airy amber ample apt artful autumn balmy bold brave breezy bright brisk calm candid careful cheery chief civil clear clever cosy crisp curious daring deft dewy eager early earnest easy even fair famous fearless fertile festive fine firm fleet fluent fond free fresh gentle giddy glad gleaming golden good grand hardy hearty helpful honest humble ideal jolly jovial keen kind lasting light limber lively loyal lucid lucky mellow merry mild mindful modest neat nimble noble open patient peaceful placid plucky polite proud prudent quick quiet ready regal robust rosy serene sharp shiny silent silver sincere smooth snug sober solid spry stable steady sterling stout sturdy sunny supple sure swift tender tidy timely tranquil true trusty upbeat vast verdant vivid warm wise witty zesty'.split(' ');
const things =
  'acorn alder anchor anvil apple arch aspen badger bamboo barge basin beacon beech birch bobbin boulder bridge brook buoy cabin canal canyon castle cedar cherry chisel clover cobalt comet compass coral crane creek cypress delta derrick dock dolphin dune eagle elm ember falcon fern ferry finch fjord flint forest forge fountain fox gable galley garnet geyser ginger glacier granite grove gull hammock harbor hazel heron hill hoist holly horizon iris island ivory jasper jetty juniper kestrel kettle lagoon lantern larch lark lattice ledge lever lichen lighthouse lily lodge lotus lynx maple marble marsh meadow mesa mill moss nectar oak oasis olive orchard osprey otter owl paddle pebble pelican pier pine plover pond poplar prairie pulley quarry quartz quay rafter raven reef ridge river robin rudder saddle sail sequoia shore slate sparrow spruce summit swallow tern thistle tower trellis valley wharf willow winch wren yarrow'.split(' ');

const pattern = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;

/** A name as `calm_heron`, with a digit added when the first tries are taken. */
export function generateName(isTaken: (name: string) => boolean, random: (below: number) => number = randomInt): string {
  for (let tries = 0; ; tries++) {
    const name = `${qualities[random(qualities.length)]}_${things[random(things.length)]}${tries < 6 ? '' : random(10 ** Math.min(tries - 5, 9))}`;
    if (!isTaken(name)) return name;
  }
}

/** The name without its slash. Throws invalid_argument in Docker's words. */
export function parseContainerName(given: string): string {
  const name = given.startsWith('/') ? given.slice(1) : given;
  if (!pattern.test(name)) throw invalid(`Invalid container name (${given}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`);
  return name;
}
