export * from './columns.ts';
export * from './defaults.ts';
export type { Problem } from './explain.ts';
export * from './load.ts';
export * from './places.ts';
export * from './schema.ts';
export * from './environments.ts';
export * from './suggest.ts';
export * from './units.ts';
