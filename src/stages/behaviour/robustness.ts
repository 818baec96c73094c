import { quantityOf, shareOf } from '../../config/quantity.ts';
import { reported, type Check } from '../../evidence/index.ts';
import type { Perturbation } from '../../model/perturbation.ts';
import { changedDecisions, type Bounds, type Scored } from '../../model/scorer.ts';
import { absentCheck, limitCheck } from './limit.ts';
import { proportionBounds } from './proportion.ts';
import { featuresOf, lossOf, lossText, scoredUnder, type Examination, type Subject } from './subject.ts';
import { capitalised, percent, significant } from '../../wording.ts';
import type { Behaviour } from './schema.ts';
import { atMost } from '../comparison.ts';

type Settings = NonNullable<Behaviour['robustness']>;

export type RobustnessInput = Examination<Settings>;

/** What a change did to one model. */
type Effect =
  | { kind: 'none' }
  | { kind: 'fault'; message: string }
  | { kind: 'changed'; columns: number; scored: Scored; loss: number; flips: number | null };

/**
 * Change the data a little and see what both models lose, on the same rows with the same change.
 * A model that answers with an error is a finding that shows its message.
 */
export async function judgeRobustness(
  input: RobustnessInput,
): Promise<{ checks: Check[]; details: Record<string, unknown> }> {
  const { settings, candidate, champion, scorer, signal, log } = input;
  featuresOf(input, settings.columns, 'robustness.columns');
  const limits = limitsOf(settings, scorer.metric);
  const changes = changesOf(settings);
  const checks: Check[] = [];
  const details: Record<string, unknown>[] = [];
  for (const [index, change] of changes.entries()) {
    signal?.throwIfAborted();
    const mine = await effectOf(change, candidate, input);
    const theirs = champion === null ? null : await effectOf(change, champion, input);
    const excess = excessOf(input, mine, theirs);
    checks.push(...checksOf(change, mine, theirs, excess, limits, input));
    details.push({
      change: change.name,
      what: change.what,
      metric: scorer.metric.name,
      candidate: described(candidate, mine),
      champion: champion === null || theirs === null ? null : described(champion, theirs),
      ...(excess === null ? {} : { excess }),
    });
    log.progress('Robustness', index + 1, changes.length);
  }
  return { checks, details: { robustness: details } };
}

interface Limits {
  /** In the units of the metric. */
  margin?: number;
  /** A share. */
  mostFlips?: number;
}

function limitsOf({ margin, max_flip_rate: flips }: Settings, metric: RobustnessInput['scorer']['metric']): Limits {
  const where = 'behaviour.robustness';
  return {
    ...(margin === undefined ? {} : { margin: quantityOf(margin, metric, 'difference', `${where}.margin`) }),
    ...(flips === undefined
      ? {}
      : { mostFlips: shareOf(flips, 'the decisions that change', 'bound', `${where}.max_flip_rate`) }),
  };
}

interface Change {
  name: 'noise' | 'missing' | 'unseen';
  title: string;
  /** "with noise of 0.05 standard deviations" */
  what: string;
  /** What models are fed must be for the change to be possible. */
  needs: string;
  of(columns: readonly string[], seed: number): Perturbation;
}

function changesOf({ noise, missing, unseen_categories: unseen }: Settings): Change[] {
  const changes: (Change | null)[] = [
    noise === undefined
      ? null
      : {
          name: 'noise',
          title: 'Noise on numbers',
          what: `with noise of ${significant(noise)} standard deviations`,
          needs: 'numeric features with more than two values',
          of: (columns, seed) => ({ kind: 'noise', scale: noise, columns, seed }),
        },
    missing === undefined
      ? null
      : {
          name: 'missing',
          title: 'Missing values',
          what: `with ${percent(missing)} of the values missing`,
          needs: 'floating-point features, which can be missing',
          of: (columns, seed) => ({ kind: 'missing', share: missing, columns, seed }),
        },
    unseen === undefined
      ? null
      : {
          name: 'unseen',
          title: 'Unseen categories',
          what: `with ${percent(unseen)} of the texts replaced by an unseen category`,
          needs: 'text features',
          of: (columns, seed) => ({ kind: 'unseen', share: unseen, columns, seed }),
        },
  ];
  return changes.filter((change) => change !== null);
}

async function effectOf(change: Change, subject: Subject, input: RobustnessInput): Promise<Effect> {
  const { settings, scorer, seed } = input;
  const possible = subject.columns[change.name];
  const columns = possible.filter((column) => settings.columns?.includes(column) ?? true);
  if (columns.length === 0) return { kind: 'none' };
  const read = await scoredUnder(subject, change.of(columns, seed), scorer);
  if (!read.ok) return { kind: 'fault', message: read.message };
  const { scored } = read;
  const flips = scored.decisions === null ? null : changedDecisions(subject.plain, scored, scorer.rows);
  const loss = lossOf(scorer, subject.plain.value(null), scored.value(null));
  if (!Number.isFinite(loss)) return { kind: 'fault', message: `${scorer.metric.title} is undefined on its answers` };
  return { kind: 'changed', columns: columns.length, scored, loss, flips };
}

/** How much more the candidate loses than the champion, rows drawn anew; null where there is nothing to compare. */
function excessOf(
  { candidate, champion, scorer, alpha }: RobustnessInput,
  mine: Effect,
  theirs: Effect | null,
): Bounds | null {
  if (mine.kind !== 'changed' || champion === null || theirs === null || theirs.kind === 'fault') return null;
  const excess = scorer.bounds((weights) => {
    const own = lossOf(scorer, candidate.plain.value(weights), mine.scored.value(weights));
    // A champion without such features loses nothing.
    if (theirs.kind === 'none') return own;
    return own - lossOf(scorer, champion.plain.value(weights), theirs.scored.value(weights));
  }, alpha);
  return [excess.value, excess.lower, excess.upper].every(Number.isFinite) ? excess : null;
}

function checksOf(
  change: Change,
  mine: Effect,
  theirs: Effect | null,
  excess: Bounds | null,
  { margin, mostFlips }: Limits,
  input: RobustnessInput,
): Check[] {
  const { settings, scorer, alpha, absence, champion } = input;
  const { severity } = settings;
  const gated = margin !== undefined || mostFlips !== undefined;
  const id = `robustness-${change.name}`;
  if (mine.kind === 'none') {
    const reason = `the candidate has no ${change.needs}${settings.columns === undefined ? '' : ' among robustness.columns'}`;
    return [absentCheck(id, change.title, { verdict: 'skipped', reason }, gated ? severity : 'info')];
  }
  if (mine.kind === 'fault') {
    const both = theirs?.kind === 'fault';
    return [
      {
        id: `behaviour/${id}`,
        title: change.title,
        verdict: both ? 'inconclusive' : 'fail',
        severity: gated ? (severity ?? 'block') : 'info',
        message: `${capitalised(change.what)} ${both ? 'both models fail; the candidate' : 'the candidate fails; it'} says: ${mine.message.replace(/[.\s]+$/u, '')}.`,
        observed: 'an error',
        required: 'an answer',
      },
    ];
  }
  const checks: Check[] = [];
  const lost = `${capitalised(change.what)} the candidate loses ${lossText(scorer, mine.loss)} of ${scorer.metric.title}`;
  const against = theirs?.kind === 'changed' ? ` and the champion ${lossText(scorer, theirs.loss)}` : '';
  const bounds =
    excess === null
      ? ''
      : ` (excess ${lossText(scorer, excess.value)}, bounds ${lossText(scorer, excess.lower)} to ${lossText(scorer, excess.upper)})`;
  const finding = `${lost}${against}${bounds}`;
  if (margin === undefined || champion === null) {
    const observed = Number(mine.loss.toPrecision(6));
    checks.push(reported(`behaviour/${id}`, change.title, `${finding}.`, observed));
    if (margin !== undefined)
      checks.push(absentCheck(`${id}-margin`, `${change.title} against the champion`, absence, severity));
  } else if (theirs?.kind === 'fault') {
    checks.push({
      id: `behaviour/${id}`,
      title: change.title,
      verdict: 'pass',
      severity: severity ?? 'block',
      message: `${lost}, and the champion cannot predict at all: ${theirs.message.replace(/[.\s]+$/u, '')}.`,
      observed: Number(mine.loss.toPrecision(6)),
      required: 'no worse than the champion',
    });
  } else if (excess === null) {
    const reason = 'the loss has no finite bounds on these rows';
    checks.push(absentCheck(id, change.title, { verdict: 'inconclusive', reason }, severity));
  } else {
    checks.push(
      limitCheck({
        name: id,
        title: change.title,
        verdict: atMost(excess, margin),
        severity,
        message: `${finding}; at most ${lossText(scorer, margin)} more than the champion allowed`,
        observed: excess.value,
        required: margin,
      }),
    );
  }
  if (mostFlips !== undefined && mine.flips !== null) {
    const share = mine.flips / scorer.rows;
    const flips = proportionBounds(mine.flips, scorer.rows, alpha);
    const others = theirs?.kind === 'changed' ? `; for the champion ${significant(theirs.flips ?? 0)}` : '';
    checks.push(
      limitCheck({
        name: `flips-${change.name}`,
        title: `${change.title}: decisions that change`,
        verdict: atMost(flips, mostFlips),
        severity,
        message: `${capitalised(change.what)} ${significant(mine.flips)} of ${significant(scorer.rows)} decisions of the candidate change, ${percent(share)} (bounds ${percent(flips.lower)} to ${percent(flips.upper)}), at most ${percent(mostFlips)} allowed${others}`,
        observed: share,
        required: mostFlips,
        unit: 'share',
      }),
    );
  }
  return checks;
}

function described({ plain }: Subject, effect: Effect): Record<string, unknown> {
  if (effect.kind === 'none') return { skipped: 'no such features' };
  if (effect.kind === 'fault') return { fault: effect.message };
  return {
    columns: effect.columns,
    before: plain.value(null),
    after: effect.scored.value(null),
    loss: effect.loss,
    flips: effect.flips,
  };
}
