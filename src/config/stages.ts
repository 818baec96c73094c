import { UsageError } from '../errors.ts';
import type { Config, Stage } from './schema.ts';
import { nearest } from './suggest.ts';

/** What a stage asks of a version. @throws UsageError for a stage there is not */
export function stageRule(config: Config, name: string): Stage {
  const stages = config.registry?.stages ?? {};
  const names = Object.keys(stages);
  const rule = Object.hasOwn(stages, name) ? stages[name] : undefined;
  if (rule === undefined) {
    const near = nearest(name, names);
    throw new UsageError({
      found: `there is no stage ${JSON.stringify(name)}`,
      expected: names.length === 0 ? 'a stage of registry.stages in contender.yml' : `one of: ${names.join(', ')}`,
      remedy: near === undefined ? 'Add it to registry.stages in contender.yml' : `Did you mean ${near}?`,
    });
  }
  return rule;
}
