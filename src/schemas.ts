import type { TSchema } from 'typebox';
import { Configuration } from './pipeline/configuration.ts';
import { RecordedDecision } from './evidence/decision.ts';
import { Evidence } from './evidence/evidence.ts';
import { Profile } from './profile/profile.ts';
import { Manifest } from './registry/manifest.ts';
import { Void } from './registry/void.ts';

/** The JSON Schemas (2020-12) published in `schemas/`, by name. */
export function publishedSchemas(): Record<string, TSchema & Record<string, unknown>> {
  const named = (title: string, schema: TSchema): TSchema & Record<string, unknown> => ({
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title,
    ...schema,
  });
  return {
    config: named('contender.yml', Configuration),
    evidence: named('Evidence of one stage', Evidence),
    decision: named('A recorded decision', RecordedDecision),
    profile: named('A profile of data', Profile),
    manifest: named('The manifest of a model', Manifest),
    void: named('A decision that was made void', Void),
  };
}
