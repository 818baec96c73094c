import type { TArrayOptions, TNumberOptions, TProperties, TSchema, TStringOptions, Type as TypeBox } from 'typebox';

type Options = Record<string, unknown>;

/** The very schemas that Type.Optional made: their keys may be left out. */
const optional = new WeakSet<object>();

const ofType =
  (type: string) =>
  (options?: Options): object => ({ type, ...options });

const makers = {
  String: ofType('string'),
  Number: ofType('number'),
  Integer: ofType('integer'),
  Boolean: ofType('boolean'),
  Null: ofType('null'),
  Unknown: (options?: Options) => ({ ...options }),
  Literal: (value: unknown, options?: Options) => ({ type: typeof value, const: value, ...options }),
  Enum: (values: unknown, options?: Options) => ({ enum: values, ...options }),
  Union: (anyOf: unknown, options?: Options) => ({ anyOf, ...options }),
  Array: (items: TSchema, options?: Options) => ({ type: 'array', items, ...options }),
  Object: (properties: Record<string, object>, options?: Options) => {
    const required = Object.keys(properties).filter((key) => !optional.has(properties[key]!));
    return { type: 'object', ...(required.length > 0 && { required }), properties, ...options };
  },
  Record: ({ pattern = '^.*$' }: { pattern?: string }, value: TSchema, options?: Options) => ({
    type: 'object',
    patternProperties: { [pattern]: value },
    ...options,
  }),
  Optional: (schema: TSchema) => {
    const copy = { ...schema };
    optional.add(copy);
    return copy;
  },
  Unsafe: (schema: object) => schema,
};

/** The few makers of JSON Schemas that we need, with the types of typebox: its own code would be half of every start. */
export const Type = makers as unknown as Pick<typeof TypeBox, keyof typeof makers>;

/*
 * What schemas of ours are made of: objects that take no keys but their own, and keys with what a person reads of them, which
 * the published schemas, the documentation and the messages repeat.
 */

/** An object that takes no other keys. */
export const Closed = <P extends TProperties>(properties: P) =>
  Type.Object(properties, { additionalProperties: false });
export const Part = <P extends TProperties>(description: string, properties: P) =>
  Type.Object(properties, { additionalProperties: false, description });
/** A text that is not empty. */
export const Text = (description: string, limits: TStringOptions = {}) =>
  Type.String({ minLength: 1, ...limits, description });
export const List = <T extends TSchema>(items: T, description: string, limits: TArrayOptions = {}) =>
  Type.Array(items, { ...limits, description });
export const Matching = (pattern: string, description: string) => Type.String({ pattern, description });

/** Keys that may be left out. */
export const Optional = {
  Closed: <P extends TProperties>(properties: P) => Type.Optional(Closed(properties)),
  Part: <P extends TProperties>(description: string, properties: P) => Type.Optional(Part(description, properties)),
  Text: (description: string, limits?: TStringOptions) => Type.Optional(Text(description, limits)),
  Matching: (pattern: string, description: string) => Type.Optional(Matching(pattern, description)),
  String: (description: string, limits: TStringOptions = {}) => Type.Optional(Type.String({ ...limits, description })),
  Number: (description: string, limits: TNumberOptions = {}) => Type.Optional(Type.Number({ ...limits, description })),
  Integer: (description: string, limits: TNumberOptions = {}) =>
    Type.Optional(Type.Integer({ ...limits, description })),
  Flag: (description: string) => Type.Optional(Type.Boolean({ description })),
  Choice: <C extends string[]>(choices: readonly [...C], description: string) =>
    Type.Optional(Type.Enum(choices, { description })),
  List: <T extends TSchema>(items: T, description: string, limits?: TArrayOptions) =>
    Type.Optional(List(items, description, limits)),
  OneOf: <T extends TSchema[]>(types: [...T], description: string) => Type.Optional(Type.Union(types, { description })),
};
