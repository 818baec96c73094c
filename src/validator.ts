import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import type { TSchema } from 'typebox';

/**
 * Code that judges values by one of our own schemas, compiled at the first value: most commands read few of the kinds there are.
 * Tests hold these schemas against the schema of schemas, so that no command waits for that; nor for shorter code, which takes longer to
 * make than it saves.
 */
export function validatorOf<T>(schema: object, { allErrors = false } = {}): LazyValidator<T> {
  let compiled: ValidateFunction<T> | undefined;
  const validate: LazyValidator<T> = Object.assign(
    (value: unknown): value is T => {
      compiled ??= new Ajv2020({
        allErrors,
        verbose: allErrors,
        strict: false,
        validateSchema: false,
        meta: false,
        code: { optimize: false },
      }).compile<T>(schema);
      const valid = compiled(value);
      validate.errors = compiled.errors ?? [];
      return valid;
    },
    { errors: [] },
  );
  return validate;
}

/** Whether a value is a T, and what is wrong with the last one that was none. */
export interface LazyValidator<T> {
  (value: unknown): value is T;
  errors: NonNullable<ValidateFunction['errors']>;
}

/** The first fault of the last value, as "/place must be ...". */
export function firstFault({ errors }: LazyValidator<unknown>): string {
  const [{ instancePath = '', message = '', params = {} } = {}] = errors as {
    instancePath?: string;
    message?: string;
    params?: object;
  }[];
  // Which key is too many, ajv does not say in its message.
  const extra = (params as Record<string, unknown>)['additionalProperty'];
  return [instancePath, message, extra].filter(Boolean).join(' ');
}

const validators = new Map<string, LazyValidator<unknown>>();

/** A validator for this value: of the parts of the schema that it reaches. Those of values of one form are the same. */
export function validatorFor<T>(
  schema: TSchema,
  value: unknown,
  options: { allErrors?: boolean } = {},
): LazyValidator<T> {
  const reached = relevantTo(schema, [value]);
  const key = `${options.allErrors ?? false} ${JSON.stringify(reached)}`;
  const known = validators.get(key) ?? validatorOf(reached, options);
  validators.set(key, known);
  return known as LazyValidator<T>;
}

type Schema = Record<string, unknown>;

/**
 * A schema without what it says of optional properties that none of the values has: it judges these values as the whole does, and
 * ajv compiles it in a fraction of the time. Every command waits for that.
 *
 * @param values what the schema will be applied to
 */
export function relevantTo(schema: TSchema, values: readonly unknown[]): TSchema {
  return relevant(schema as Schema, values);
}

function relevant(schema: Schema, values: readonly unknown[]): Schema {
  const objects = values.filter((value) => typeof value === 'object' && value !== null && !Array.isArray(value));
  const { properties, additionalProperties, patternProperties, required } = schema as {
    properties?: Record<string, Schema>;
    additionalProperties?: unknown;
    patternProperties?: Record<string, Schema>;
    required?: readonly string[];
  };
  const all = objects.map((object) => new Map(Object.entries(object as object)));
  const narrowed: Schema = { ...schema };
  if (properties !== undefined) {
    narrowed['properties'] = mapped(properties, (each, name) => {
      const found = all.filter((object) => object.has(name)).map((object) => object.get(name));
      // A message may say of a missing key what its schema says, and of a kind which there are.
      const isSaid = required?.includes(name) === true || 'const' in each;
      return found.length > 0 ? relevant(each, found) : isSaid ? each : {};
    });
  }
  const others = (): unknown[] =>
    all.flatMap((object) =>
      [...object].filter(([name]) => !Object.hasOwn(properties ?? {}, name)).map(([, value]) => value),
    );
  if (isSchema(additionalProperties)) narrowed['additionalProperties'] = relevant(additionalProperties, others());
  if (patternProperties !== undefined) {
    narrowed['patternProperties'] = mapped(patternProperties, (each) => relevant(each, others()));
  }
  for (const keyword of ['anyOf', 'allOf', 'oneOf']) {
    const parts = schema[keyword];
    if (Array.isArray(parts)) narrowed[keyword] = (parts as Schema[]).map((each) => relevant(each, values));
  }
  const items = schema['items'];
  if (isSchema(items)) {
    narrowed['items'] = relevant(items, values.filter((value) => Array.isArray(value)).flat(1) as unknown[]);
  }
  return narrowed;
}

function mapped(schemas: Record<string, Schema>, narrow: (schema: Schema, name: string) => Schema): Schema {
  return Object.fromEntries(Object.entries(schemas).map(([name, each]) => [name, narrow(each, name)]));
}

function isSchema(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
