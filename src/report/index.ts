export * from './annotations.ts';
export * from './check-run.ts';
export * from './console.ts';
export * from './headline.ts';
export * from './html.ts';
export * from './junit.ts';
export * from './markdown.ts';
export { withoutWorkflowCommands } from './escape.ts';
export { standing, type ReportInput, type Standing } from './standing.ts';
