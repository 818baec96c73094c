import { policySubject, type Model } from '../config/index.ts';
import { digest, modelIdentity } from '../evidence/index.ts';
import type { EvidenceReference, RegisteredVersion, RegistryHistory } from '../evidence/index.ts';
import { takenBackBy } from './history.ts';

/** The name that stands for the best version promoted so far. */
export const best = 'best';

/**
 * The version that a policy holds candidates against beside the champion. Pure, so that whoever decides finds the one that was measured.
 *
 * `best` is the promoted version, neither deprecated nor rolled back, with the best value of the primary metric among those recorded by
 * promotions on this very evaluation set and by the same definition of the metric; the first such version where nothing is recorded.
 *
 * @param named `best` or a semantic version
 * @param dataset digest of the evaluation set
 * @returns undefined where there is no such version
 */
export function anchorOf(
  named: string,
  config: Model,
  view: RegistryHistory,
  dataset: string | undefined,
): RegisteredVersion | undefined {
  if (named !== best) return view.registered.find(({ version }) => version === named);
  const standing = view.registered.filter((version) => {
    const identity = modelIdentity(version);
    return version.status === 'active' && identity !== undefined && takenBackBy(identity, view) === undefined;
  });
  const { values, higherIsBetter } = recordedValues(definitionOf(policySubject(config)), view, dataset);
  const [first] = standing;
  if (higherIsBetter === undefined) return first;
  const better = (value: number, than: number): boolean => (higherIsBetter ? value > than : value < than);
  const valueOf = (version: RegisteredVersion): number | undefined => values.get(modelIdentity(version) ?? '');
  return standing.reduce<RegisteredVersion | undefined>((top, each) => {
    const [known, value] = [top === undefined ? undefined : valueOf(top), valueOf(each)];
    return value !== undefined && (known === undefined || better(value, known)) ? each : top;
  }, first);
}

/** What promotions measured on an evaluation set, by the identity of the model; which way is better, where two values differ. */
function recordedValues(
  definition: string,
  view: RegistryHistory,
  dataset: string | undefined,
): { values: Map<string, number>; higherIsBetter: boolean | undefined } {
  const values = new Map<string, number>();
  let higherIsBetter: boolean | undefined;
  // Only what changes the champion counts: evidence that waits for an approval keeps its anchor while others are held or rejected.
  const promotions = view.decisions.filter(
    ({ outcome, datasets }) =>
      outcome === 'promote' && dataset !== undefined && datasets['evaluation']?.sha256 === dataset,
  );
  const definitions = new Map<string, string>();
  for (const { policy, evidence, candidate, from } of promotions) {
    const made = definitions.get(policy.sha256) ?? definitionOf(JSON.parse(policy.text) as Defining);
    definitions.set(policy.sha256, made);
    if (made !== definition) continue;
    for (const reference of evidence) {
      const measured = measuredIn(reference);
      if (measured === null) continue;
      const [own, rival] = [candidate, from].map((each) => (each === null ? undefined : modelIdentity(each)));
      for (const [identity, value] of [
        [own, measured.candidate],
        [rival, measured.champion],
        [measured.anchorModel, measured.anchor],
      ] as const) {
        if (identity !== undefined && value !== undefined) values.set(identity, value);
      }
      const grows = (measured.candidate - measured.champion) * measured.gain;
      if (grows !== 0) higherIsBetter = grows > 0;
    }
  }
  return { values, higherIsBetter };
}

interface Defining {
  task?: unknown;
  columns?: unknown;
  policy?: unknown;
}

/** What makes two values of the primary metric comparable: its name, and all that defines it. */
function definitionOf({ task, columns, policy }: Defining): string {
  const { features: _features, ...read } = columns as Record<string, unknown>;
  const { primary, cost, metrics } = policy as Record<string, unknown>;
  const { metric } = (primary ?? {}) as Record<string, unknown>;
  return digest({ task, columns: read, metric, cost, metrics });
}

interface Measured {
  candidate: number;
  champion: number;
  gain: number;
  anchor?: number;
  anchorModel?: string;
}

/** What a reference to evidence tells of the primary metric; null where nothing was compared. */
function measuredIn({ summary }: EvidenceReference): Measured | null {
  const { candidate, champion, gain, anchor, anchorModel } = summary;
  if (typeof candidate !== 'number' || typeof champion !== 'number' || typeof gain !== 'number') return null;
  return {
    candidate,
    champion,
    gain,
    ...(typeof anchor === 'number' && typeof anchorModel === 'string' ? { anchor, anchorModel } : {}),
  };
}
