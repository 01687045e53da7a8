/** Holds JSON values against the schemas of Docker's API description (Swagger 2). */

export interface Schema {
  $ref?: string;
  type?: string;
  allOf?: Schema[];
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  additionalProperties?: Schema | boolean;
  enum?: unknown[];
  'x-nullable'?: boolean;
}

export type Definitions = Readonly<Record<string, Schema>>;

/** Sentences about everything that is missing, of another type, or unknown to the schema. Empty when all is well. */
export function complaints(value: unknown, schema: Schema, definitions: Definitions, path = '$'): string[] {
  const whole = flatten(schema, definitions);
  if (value === null) {
    // Go writes null for empty lists and maps, whatever the description says.
    return whole.type === 'string' || whole.type === 'integer' || whole.type === 'boolean'
      ? whole['x-nullable'] === true ? [] : [`${path} is null, not ${whole.type}`]
      : [];
  }
  switch (whole.type) {
    case 'string':
      return typeof value === 'string' ? wrongWord(value, whole, path) : [`${path} is ${typeof value}, not string`];
    case 'integer':
      return Number.isInteger(value) ? [] : [`${path} is ${typeof value}, not integer`];
    case 'number':
      return typeof value === 'number' ? [] : [`${path} is ${typeof value}, not number`];
    case 'boolean':
      return typeof value === 'boolean' ? [] : [`${path} is ${typeof value}, not boolean`];
    case 'array':
      if (!Array.isArray(value)) return [`${path} is ${typeof value}, not array`];
      return value.flatMap((item, index) => complaints(item, whole.items ?? {}, definitions, `${path}[${index}]`));
    default:
      return whole.properties === undefined && whole.additionalProperties === undefined ? [] : inObject(value, whole, definitions, path);
  }
}

function wrongWord(value: string, { enum: words }: Schema, path: string): string[] {
  return words === undefined || words.includes(value) ? [] : [`${path} is ${JSON.stringify(value)}, not one of ${words.join(', ')}`];
}

function inObject(value: unknown, schema: Schema, definitions: Definitions, path: string): string[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [`${path} is ${Array.isArray(value) ? 'array' : typeof value}, not object`];
  const { properties = {}, required = [], additionalProperties } = schema;
  const missing = required.filter((name) => !Object.hasOwn(value, name)).map((name) => `${path}.${name} is missing`);
  const rest = Object.entries(value).flatMap(([name, member]) => {
    const known = properties[name];
    if (known !== undefined) return complaints(member, known, definitions, `${path}.${name}`);
    if (typeof additionalProperties === 'object') return complaints(member, additionalProperties, definitions, `${path}.${name}`);
    return schema.properties === undefined || additionalProperties === true ? [] : [`${path}.${name} is unknown`];
  });
  return [...missing, ...rest];
}

/** References followed and allOf joined. */
function flatten(schema: Schema, definitions: Definitions): Schema {
  if (schema.$ref !== undefined) return { ...flatten(definitions[schema.$ref.split('/').at(-1)!] ?? {}, definitions), ...(schema['x-nullable'] === undefined ? {} : { 'x-nullable': schema['x-nullable'] }) };
  if (schema.allOf === undefined) return schema;
  const parts = schema.allOf.map((part) => flatten(part, definitions));
  if (parts.every((part) => part.properties === undefined)) return Object.assign({}, ...parts, schema) as Schema;
  return {
    ...schema,
    type: 'object',
    properties: Object.assign({}, ...parts.map((part) => part.properties ?? {}), schema.properties ?? {}) as Record<string, Schema>,
    required: [...parts.flatMap((part) => part.required ?? []), ...(schema.required ?? [])],
  };
}
