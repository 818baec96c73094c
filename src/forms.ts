import {
  Type,
  type TArrayOptions,
  type TNumberOptions,
  type TProperties,
  type TSchema,
  type TStringOptions,
} from 'typebox';

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
