/** The lint rules under BuildKit's names, as data. `slug` ends the address of the rule's page. */
interface Rule {
  readonly description: string;
  readonly slug: string | undefined;
  /** Only where `# check=experimental=` asks for it. */
  readonly experimental?: true;
  readonly detail: (...facts: never[]) => string;
}

const suggested = (text: string, suggestion: string): string => (suggestion === '' ? text : `${text} (did you mean ${suggestion}?)`);

export const rules = {
  StageNameCasing: {
    description: 'Stage names should be lowercase',
    slug: 'stage-name-casing',
    detail: (name: string) => `Stage name '${name}' should be lowercase`,
  },
  FromAsCasing: {
    description: "The 'as' keyword should match the case of the 'from' keyword",
    slug: 'from-as-casing',
    detail: (from: string, as: string) => `'${as}' and '${from}' keywords' casing do not match`,
  },
  NoEmptyContinuation: {
    description: 'Empty continuation lines will become errors in a future release',
    slug: 'no-empty-continuation',
    detail: () => 'Empty continuation line',
  },
  ConsistentInstructionCasing: {
    description: 'All commands within the Dockerfile should use the same casing (either upper or lower)',
    slug: 'consistent-instruction-casing',
    detail: (command: string, casing: string) => `Command '${command}' should match the case of the command majority (${casing})`,
  },
  DuplicateStageName: {
    description: 'Stage names should be unique',
    slug: 'duplicate-stage-name',
    detail: (name: string) => `Duplicate stage name ${JSON.stringify(name)}, stage names should be unique`,
  },
  ReservedStageName: {
    description: 'Reserved words should not be used as stage names',
    slug: 'reserved-stage-name',
    detail: (name: string) => `Stage name should not use the same name as reserved stage ${JSON.stringify(name)}`,
  },
  JSONArgsRecommended: {
    description: 'JSON arguments recommended for ENTRYPOINT/CMD to prevent unintended behavior related to OS signals',
    slug: 'json-args-recommended',
    detail: (command: string) => `JSON arguments recommended for ${command} to prevent unintended behavior related to OS signals`,
  },
  MaintainerDeprecated: {
    description: 'The MAINTAINER instruction is deprecated, use a label instead to define an image author',
    slug: 'maintainer-deprecated',
    detail: () => 'Maintainer instruction is deprecated in favor of using label',
  },
  UndefinedArgInFrom: {
    description: 'FROM command must use declared ARGs',
    slug: 'undefined-arg-in-from',
    detail: (name: string, suggestion: string) => suggested(`FROM argument '${name}' is not declared`, suggestion),
  },
  WorkdirRelativePath: {
    description: 'Relative workdir without an absolute workdir declared within the build can have unexpected results if the base image changes',
    slug: 'workdir-relative-path',
    detail: (path: string) => `Relative workdir ${JSON.stringify(path)} can have unexpected results if the base image changes`,
  },
  UndefinedVar: {
    description: 'Variables should be defined before their use',
    slug: 'undefined-var',
    detail: (name: string, suggestion: string) => suggested(`Usage of undefined variable '$${name}'`, suggestion === '' ? '' : `$${suggestion}`),
  },
  MultipleInstructionsDisallowed: {
    description: 'Multiple instructions of the same type should not be used in the same stage',
    slug: 'multiple-instructions-disallowed',
    detail: (command: string) => `Multiple ${command} instructions should not be used in the same stage because only the last one will be used`,
  },
  LegacyKeyValueFormat: {
    description: 'Legacy key/value format with whitespace separator should not be used',
    slug: 'legacy-key-value-format',
    detail: (command: string) => `"${command} key=value" should be used instead of legacy "${command} key value" format`,
  },
  InvalidBaseImagePlatform: {
    description: 'Base image platform does not match expected target platform',
    slug: undefined,
    detail: (image: string, expected: string, actual: string) => `Base image ${image} was pulled with platform ${JSON.stringify(actual)}, expected ${JSON.stringify(expected)} for current build`,
  },
  RedundantTargetPlatform: {
    description: 'Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior',
    slug: 'redundant-target-platform',
    detail: (variable: string) => `Setting platform to predefined ${variable} in FROM is redundant as this is the default behavior`,
  },
  SecretsUsedInArgOrEnv: {
    description: 'Sensitive data should not be used in the ARG or ENV commands',
    slug: 'secrets-used-in-arg-or-env',
    detail: (command: string, key: string) => `Do not use ARG or ENV instructions for sensitive data (${command} ${JSON.stringify(key)})`,
  },
  InvalidDefaultArgInFrom: {
    description: 'Default value for global ARG results in an empty or invalid base image name',
    slug: 'invalid-default-arg-in-from',
    detail: (base: string) => `Default value for ARG ${base} results in empty or invalid base image name`,
  },
  FromPlatformFlagConstDisallowed: {
    description: 'FROM --platform flag should not use a constant value',
    slug: 'from-platform-flag-const-disallowed',
    detail: (platform: string) => `FROM --platform flag should not use constant value ${JSON.stringify(platform)}`,
  },
  CopyIgnoredFile: {
    description: 'Attempting to Copy file that is excluded by .dockerignore',
    slug: 'copy-ignored-file',
    detail: (command: string, file: string) => `Attempting to ${command} file ${JSON.stringify(file)} that is excluded by .dockerignore`,
  },
  InvalidDefinitionDescription: {
    description: 'Comment for build stage or argument should follow the format: `# <arg/stage name> <description>`. If this is not intended to be a description comment, add an empty line or comment between the instruction and the comment.',
    slug: 'invalid-definition-description',
    experimental: true,
    detail: (instruction: string, name: string) => `Comment for ${instruction} should follow the format: \`# ${name} <description>\``,
  },
  ExposeProtoCasing: {
    description: 'Protocol in EXPOSE instruction should be lowercase',
    slug: 'expose-proto-casing',
    detail: (port: string) => `Defined protocol '${port}' in EXPOSE instruction should be lowercase`,
  },
  ExposeInvalidFormat: {
    description: 'IP address and host-port mapping should not be used in EXPOSE instruction. This will become an error in a future release',
    slug: 'expose-invalid-format',
    detail: (port: string) => `EXPOSE instruction should not define an IP address or host-port mapping, found '${port}'`,
  },
} as const satisfies Record<string, Rule>;

export type RuleName = keyof typeof rules;
