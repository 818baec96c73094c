import { digest, type Evidence } from '../../evidence/index.ts';
import { RegistryError } from '../../errors.ts';
import { championOf } from '../../registry/manifest.ts';
import type { Registry } from '../../registry/registry.ts';
import { faultOf } from '../../profile/read-profile.ts';
import type { Profile } from '../../profile/profile.ts';

/** Profiles that stand in the evidence of a promotion, by what they are of. */
export type ProfileKind = 'reference' | 'evaluation' | 'scores';

export interface ChampionProfiles {
  version: string;
  profiles: Partial<Record<ProfileKind, Profile>>;
}

/**
 * What the champion was judged on, and what it predicted then: profiles in the evidence of its promotion. Null: there is no champion.
 * @throws RegistryError where its promotion has no evidence
 */
async function championProfiles(registry: Registry, model: string): Promise<ChampionProfiles | null> {
  const champion = championOf(await registry.manifest(model));
  if (champion === null) return null;
  const decisions = await registry.log(model);
  const promotion = decisions.findLast(
    ({ outcome, candidate, evidence }) =>
      outcome === 'promote' && candidate?.version === champion.version && evidence.length > 0,
  );
  if (promotion === undefined) {
    throw new RegistryError({
      found: `version ${champion.version} of ${model} became champion without evidence`,
      expected: 'a stored profile of the data that the champion was evaluated on',
      remedy: 'Name the data, or a profile of them written by contender profile --file',
    });
  }
  const profiles: ChampionProfiles['profiles'] = {};
  for (const { sha256 } of promotion.evidence) {
    Object.assign(profiles, profilesIn(await registry.evidence(model, sha256)));
  }
  return { version: champion.version, profiles };
}

/** Those that are sound. */
function profilesIn({ details }: Evidence): ChampionProfiles['profiles'] {
  const kept = Object.entries((details['profiles'] ?? {}) as Record<string, Profile>);
  return Object.fromEntries(kept.filter(([, profile]) => faultOf(profile) === null));
}

/** The data that the champion was judged on: the reference data of then, else the evaluation data. @throws RegistryError without one */
export async function championsData(
  registry: Registry,
  model: string,
  /** Columns under which later data have what it predicts, by the name that its profile of scores has for them. */
  predictions: Partial<Record<string, string>> = {},
): Promise<{ profile: Profile; uri: string; sha256: string }> {
  const found = await championProfiles(registry, model);
  const data = found?.profiles.reference ?? found?.profiles.evaluation;
  const profile = data === undefined ? undefined : withPredictions(data, found?.profiles.scores, predictions);
  if (found === null || profile === undefined) {
    throw new RegistryError({
      found:
        found === null
          ? `there is no champion of ${model} yet`
          : `the evidence of version ${found.version} of ${model} has no profile of its data`,
      expected: 'a stored profile of the data that the champion was evaluated on',
      remedy:
        'Name the data or a profile of them; a promotion with data.reference, or with data.profile: true, stores one',
    });
  }
  return { profile, uri: `registry:${model}@${found.version}`, sha256: digest(profile) };
}

/** The profile with what the champion predicted for the evaluation data, under the names that later data have for it. */
export function withPredictions(
  profile: Profile,
  scores: Profile | undefined,
  predictions: Partial<Record<string, string>>,
): Profile {
  const columns = Object.entries(predictions).flatMap(([recorded, name]) => {
    const column = scores?.columns.find((each) => each.name === recorded);
    return column === undefined || name === undefined ? [] : [{ ...column, name }];
  });
  const named = new Set(columns.map(({ name }) => name));
  return columns.length === 0
    ? profile
    : { ...profile, columns: [...profile.columns.filter(({ name }) => !named.has(name)), ...columns] };
}
