import { UsageError } from '../errors.ts';
import type { Config, Environment } from './schema.ts';
import { didYouMean } from './suggest.ts';

/** What an environment asks of a version. @throws UsageError for an environment there is not */
export function environmentRule(config: Config, name: string): Environment {
  const environments = config.registry?.environments ?? {};
  const names = Object.keys(environments);
  const rule = Object.hasOwn(environments, name) ? environments[name] : undefined;
  if (rule !== undefined) return rule;
  throw new UsageError({
    found: `there is no environment ${JSON.stringify(name)}`,
    expected:
      names.length === 0 ? 'an environment of registry.environments in contender.yml' : `one of: ${names.join(', ')}`,
    remedy: didYouMean(name, names) ?? 'Add it to registry.environments in contender.yml',
  });
}
