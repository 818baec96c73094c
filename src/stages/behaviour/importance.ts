import type { Behaviour } from './schema.ts';
import { defaults } from '../../config/index.ts';
import { reported, type Check } from '../../evidence/index.ts';
import { absentCheck, limitCheck } from './limit.ts';
import { meanBounds } from '../../statistics/log-ratio.ts';
import { featuresOf, listed, lossOf, lossText, scoredUnder, type Examination, type Subject } from './subject.ts';
import { percent } from '../../wording.ts';
import { atMost } from '../comparison.ts';

export type ImportanceInput = Examination<NonNullable<Behaviour['importance']>>;

/** Features that are permuted at most, where the configuration does not name them. */
const mostFeatures = 200;
/** A drop below this share of the model's greatest is too small to speak of, however well it is shown. */
const worthTelling = 0.01;

interface FeatureDrop {
  feature: string;
  /** Drop of the metric at each repeat; null where the model does not take the feature. */
  candidate: number[] | null;
  champion: number[] | null;
}

/**
 * Permutation importance (Breiman, "Random forests", 2001; of any model: Fisher, Rudin and Dominici, JMLR 2019): how much of the
 * metric is lost when the values of a feature change places between rows. Both models see the same permutations, so that the
 * shift from one to the other is paired.
 */
export async function judgeImportance(
  input: ImportanceInput,
): Promise<{ checks: Check[]; details: Record<string, unknown> }> {
  const { settings, candidate, champion, absence, scorer } = input;
  const { chosen, left } = chosenFeatures(input);
  const drops: FeatureDrop[] = [];
  for (const [index, feature] of chosen.entries()) {
    input.signal?.throwIfAborted();
    drops.push({
      feature,
      candidate: await dropsOf(feature, candidate, input),
      champion: champion === null ? null : await dropsOf(feature, champion, input),
    });
    input.log.progress('Importance', index + 1, chosen.length);
  }
  const fault = drops.find(({ candidate: mine }) => mine?.some(Number.isNaN) === true);
  if (fault !== undefined) {
    const reason = `${scorer.metric.title} of the candidate is undefined, or the candidate fails, when ${JSON.stringify(fault.feature)} is permuted`;
    return {
      checks: [
        absentCheck('importance', 'Permutation importance', { verdict: 'inconclusive', reason }, severityOf(settings)),
      ],
      details: {},
    };
  }
  const rows = drops.map((drop) => rowOf(drop, input, chosen.length));
  const top = Math.max(0, ...rows.map(({ candidate: mine }) => mine?.drop ?? 0));
  const topBefore = Math.max(0, ...rows.map(({ champion: theirs }) => theirs?.drop ?? 0));
  const matters = (side: Side | null, greatest: number): boolean =>
    side !== null && side.lower > 0 && side.drop >= worthTelling * greatest;
  const appeared = rows.filter((row) => matters(row.candidate, top) && !matters(row.champion, topBefore));
  const disappeared = rows.filter((row) => !matters(row.candidate, top) && matters(row.champion, topBefore));
  const comparable = champion !== null && !drops.some(({ champion: theirs }) => theirs?.some(Number.isNaN) === true);
  const shift = comparable ? shiftOf(drops, input.alpha) : null;
  const correlation = comparable ? rankCorrelation(drops) : null;
  const sorted = rows.toSorted((a, b) => greatestDrop(b) - greatestDrop(a));
  const names = (list: typeof rows): string[] => list.map(({ feature }) => feature);
  const details = {
    metric: scorer.metric.name,
    rows: scorer.rows,
    repeats: repeatsOf(settings),
    leftOut: left,
    features: sorted.slice(0, 50),
    ...(comparable
      ? { shift, rankCorrelation: correlation, appeared: names(appeared), disappeared: names(disappeared) }
      : {}),
  };
  const mostOf = (side: 'candidate' | 'champion'): string =>
    rows
      .filter((row) => matters(row[side], side === 'candidate' ? top : topBefore))
      .toSorted((a, b) => (b[side]?.drop ?? 0) - (a[side]?.drop ?? 0))
      .slice(0, 3)
      .map((row) => `${row.feature} (${lossText(scorer, row[side]?.drop ?? 0)})`)
      .join(', ') || 'none that could be shown';
  const finding =
    `The most important features of the candidate are ${mostOf('candidate')}` +
    (comparable ? `, those of the champion ${mostOf('champion')}` : '') +
    (comparable && appeared.length > 0 ? `; new to the candidate: ${listed(names(appeared))}` : '') +
    (comparable && disappeared.length > 0 ? `; no longer used: ${listed(names(disappeared))}` : '') +
    (left > 0 ? `; ${left} features were not permuted` : '');
  const most = names(sorted.slice(0, 3)).join(', ');
  const advice = reported('behaviour/importance', 'Permutation importance', `${finding}.`, most);
  if (settings.max_shift === undefined) return { checks: [advice], details: { importance: details } };
  const title = 'Importance that moved to other features';
  const reason = 'the champion fails, or no feature was shown to matter to it';
  const gate =
    champion === null
      ? absentCheck('importance-shift', title, absence, settings.severity)
      : shift === null
        ? absentCheck('importance-shift', title, { verdict: 'inconclusive', reason }, settings.severity)
        : limitCheck({
            name: 'importance-shift',
            title,
            verdict: atMost(shift, settings.max_shift),
            severity: settings.severity,
            message: `${percent(shift.value)} of the importance moved to other features (bounds ${percent(shift.lower)} to ${percent(shift.upper)}), at most ${percent(settings.max_shift)} allowed`,
            observed: shift.value,
            required: settings.max_shift,
            unit: 'share',
          });
  return { checks: [advice, gate], details: { importance: details } };
}

function severityOf({ max_shift: most, severity }: ImportanceInput['settings']): Check['severity'] {
  return most === undefined ? 'info' : (severity ?? 'block');
}

function repeatsOf({ repeats }: ImportanceInput['settings']): number {
  return repeats ?? defaults.behaviour.repeats;
}

function chosenFeatures(input: ImportanceInput): { chosen: string[]; left: number } {
  const { features } = input.settings;
  const all = featuresOf(input, features, 'importance.features');
  if (features !== undefined) return { chosen: [...new Set(features)], left: 0 };
  return { chosen: all.slice(0, mostFeatures), left: Math.max(0, all.length - mostFeatures) };
}

async function dropsOf(
  feature: string,
  subject: Subject,
  { settings, scorer, seed }: ImportanceInput,
): Promise<number[] | null> {
  if (!subject.columns.all.includes(feature)) return null;
  const plain = subject.plain.value(null);
  const drops: number[] = [];
  for (let repeat = 0; repeat < repeatsOf(settings); repeat += 1) {
    const read = await scoredUnder(subject, { kind: 'permute', column: feature, seed: seed + repeat }, scorer);
    drops.push(read.ok ? lossOf(scorer, plain, read.scored.value(null)) : Number.NaN);
  }
  return drops;
}

interface Side {
  drop: number;
  lower: number;
  upper: number;
}

interface FeatureRow {
  feature: string;
  candidate: Side | null;
  champion: Side | null;
  /** Candidate's drop less the champion's, a feature that is not taken counting 0. */
  shift: Side | null;
}

/** Bounds hold for all features together (Bonferroni): one that appears must not do so by chance among many. */
function rowOf({ feature, candidate, champion }: FeatureDrop, input: ImportanceInput, features: number): FeatureRow {
  const side = (drops: readonly number[] | null): Side | null => {
    if (drops === null || drops.some(Number.isNaN)) return null;
    const { value, lower, upper } = meanBounds(drops, input.alpha / features);
    return { drop: value, lower, upper };
  };
  const zero = Array.from({ length: repeatsOf(input.settings) }, () => 0);
  const differences =
    input.champion === null
      ? null
      : (candidate ?? zero).map((drop, repeat) => drop - ((champion ?? zero)[repeat] as number));
  return { feature, candidate: side(candidate), champion: side(champion), shift: side(differences) };
}

function greatestDrop({ candidate, champion }: FeatureRow): number {
  return Math.max(candidate?.drop ?? 0, champion?.drop ?? 0);
}

/**
 * Half the summed difference of the shares of importance: 0 where both models look at the same features to the same part, 1 where
 * they share none. Bounds by the jackknife over repeats. Null where a model uses nothing.
 */
function shiftOf(drops: readonly FeatureDrop[], alpha: number): { value: number; lower: number; upper: number } | null {
  const repeats = drops.find(({ candidate }) => candidate !== null)?.candidate?.length ?? 0;
  const without = (left: number | null): number => {
    const shares = (side: 'candidate' | 'champion'): number[] | null => {
      const means = drops.map((drop) => {
        const kept = (drop[side] ?? []).filter((_, repeat) => repeat !== left);
        return kept.length === 0 ? 0 : Math.max(0, kept.reduce((sum, each) => sum + each, 0) / kept.length);
      });
      const sum = means.reduce((total, each) => total + each, 0);
      return sum > 0 ? means.map((each) => each / sum) : null;
    };
    const [mine, theirs] = [shares('candidate'), shares('champion')];
    if (mine === null || theirs === null) return Number.NaN;
    return mine.reduce((sum, share, index) => sum + Math.abs(share - (theirs[index] as number)), 0) / 2;
  };
  const value = without(null);
  const pseudo = Array.from({ length: repeats }, (_, left) => repeats * value - (repeats - 1) * without(left));
  const { lower, upper } = meanBounds(pseudo, alpha);
  if (![value, lower, upper].every(Number.isFinite)) return null;
  return { value, lower: Math.max(0, lower), upper: Math.min(1, upper) };
}

/** Spearman's correlation of the features by drop; null where one model treats all alike. */
function rankCorrelation(drops: readonly FeatureDrop[]): number | null {
  const ranks = (side: 'candidate' | 'champion'): number[] => {
    const means = drops.map((drop) => (drop[side] ?? [0]).reduce((sum, each) => sum + each, 0));
    return means.map((mean) => {
      const below = means.filter((each) => each < mean).length;
      const equal = means.filter((each) => each === mean).length;
      return below + (equal - 1) / 2;
    });
  };
  const [mine, theirs] = [ranks('candidate'), ranks('champion')];
  const middle = (drops.length - 1) / 2;
  let [product, own, other] = [0, 0, 0];
  for (const [index, rank] of mine.entries()) {
    product += (rank - middle) * ((theirs[index] as number) - middle);
    own += (rank - middle) ** 2;
    other += ((theirs[index] as number) - middle) ** 2;
  }
  return own > 0 && other > 0 ? product / Math.sqrt(own * other) : null;
}
