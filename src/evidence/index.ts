export * from './build.ts';
export * from './canonical.ts';
export * from './check.ts';
export * from './decision.ts';
export * from './difference.ts';
export * from './evidence.ts';
export * from './signature.ts';
export * from './signature-change.ts';
