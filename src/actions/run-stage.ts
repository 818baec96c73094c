import { stageAction } from './stage-action.ts';

/* The action of a stage as it is compiled: its name is the first argument. A bundle calls `stageAction` itself. */
await stageAction(process.argv[2] ?? '');
