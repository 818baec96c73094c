import { entries } from '../src/entries.ts';
import { stages } from '../src/stages/index.ts';
import { actionNames } from './action-tables.ts';

/** Every program of a release by name, as an expression that starts it from the top of the compiled sources. */
export async function programs(): Promise<Record<string, string>> {
  return {
    ...Object.fromEntries((await actionNames()).map((name) => [name, started(name)])),
    cli: `import('./cli/main.js')`,
    ...Object.fromEntries(Object.entries(entries).map(([name, path]) => [name, `import('./${path}')`])),
  };
}

/** An action is a module of its own, or that of a stage. */
function started(action: string): string {
  return stages.some((stage) => stage.action === action && stage.needs !== 'traffic')
    ? `import('./actions/stage-action.js').then(({ stageAction }) => stageAction('${action}'))`
    : `import('./actions/${action}.js')`;
}
