export * from './promote.ts';
export * from './stages.ts';
export * from './workspace.ts';
