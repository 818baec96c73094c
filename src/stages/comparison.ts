import type { Requirement } from '../config/forms.ts';
import type { Comparison, ComparisonState, Verdict } from '../evidence/check.ts';
import { levelText, shownDifference, signed, statedSize } from '../evidence/difference.ts';
import { count, separated } from '../wording.ts';

/* What a difference with its bounds is called, and what a requirement makes of it: the same in every stage that compares. */

interface Metric {
  /** In a sentence: `recall`. */
  title: string;
  better: 'higher' | 'lower';
  scale: 'share' | 'value';
}

/** Where delta stands, from its one-sided bounds and the margin. */
export function stateOf(lower: number, upper: number, margin: number): ComparisonState {
  if (lower > 0) return 'superior';
  if (upper < -margin) return 'inferior';
  return lower > -margin ? 'non-inferior' : 'inconclusive';
}

/** What the requirement makes of the bounds: what neither passes nor fails is inconclusive. */
export function verdictOf(
  requirement: Requirement,
  lower: number,
  upper: number,
  margin: number,
): Exclude<Verdict, 'skipped'> {
  switch (requirement) {
    case 'superior':
      return lower > 0 ? 'pass' : upper <= 0 ? 'fail' : 'inconclusive';
    case 'non-inferior':
      return lower > -margin ? 'pass' : upper < -margin ? 'fail' : 'inconclusive';
    case 'not-inferior':
      return upper < -margin ? 'fail' : 'pass';
  }
}

/** What is said of a quantity, and what may be said of it at most: the interval decides. */
export function atMost(value: { lower: number; upper: number }, max: number): Exclude<Verdict, 'skipped'> {
  return value.upper <= max ? 'pass' : value.lower > max ? 'fail' : 'inconclusive';
}

/** The same where a quantity must be at least so much. */
export function atLeast(value: { lower: number; upper: number }, min: number): Exclude<Verdict, 'skipped'> {
  return value.lower >= min ? 'pass' : value.upper < min ? 'fail' : 'inconclusive';
}

/** A metric's value: four decimals, or four digits where it is large. */
export function valueText(value: number): string {
  return Math.abs(value) >= 10 ? String(Number(value.toPrecision(4))) : value.toFixed(4);
}

/** A difference alone, in the units a reader thinks in: "-8.9 points". */
export function deltaText({ scale }: Pick<Metric, 'scale'>, delta: number): string {
  const shown = shownDifference({ scale, delta, lower: delta, upper: delta, margin: 0 });
  return Number.isFinite(delta) ? `${shown.delta}${shown.unit}` : signed(delta);
}

/** "recall is 0.9197, 1.4 points below the champion's 0.9337 (one-sided 95% bounds -3.5 to +0.7 points): may be more than 1 point worse" */
export function comparisonText({ title, better }: Pick<Metric, 'title' | 'better'>, comparison: Comparison): string {
  const where = comparison.slice === undefined ? '' : ` on ${comparison.slice}`;
  const { champion, candidate } = comparison;
  const rival = comparison.anchor === undefined ? 'champion' : 'anchor';
  const { delta, unit } = shownDifference(comparison);
  const direction = (better === 'higher' ? comparison.delta > 0 : comparison.delta < 0) ? 'above' : 'below';
  const distance =
    comparison.delta === 0
      ? `equal to the ${rival}'s`
      : `${delta.replace(/^[-+]/u, '')}${unit} ${direction} the ${rival}'s ${valueText(champion)}`;
  return `${title}${where} is ${valueText(candidate)}, ${distance} (${boundsText(better, comparison)}): ${shownText(comparison)}`;
}

/** "one-sided 95% bounds -3.5 to +0.7 points". Bounds are of the gain, which for a loss goes the other way than its value. */
export function boundsText(better: Metric['better'], comparison: Comparison): string {
  const { lower, upper, unit } = shownDifference(comparison);
  const gain = better === 'higher' ? '' : ' of the gain';
  return `one-sided ${levelText(comparison.alpha)} bounds${gain} ${lower} to ${upper}${unit}`;
}

/** The finding where there is too little to find anything. */
export const nothingShown = 'nothing is shown';

/** The finding as it ends a sentence: what the bounds demonstrate is "shown to be" so. */
export function shownText({ state, upper, finding = state }: Comparison): string {
  const isOpen = finding === nothingShown || (state === 'inconclusive' && upper >= 0);
  return isOpen ? finding : `shown to be ${finding}`;
}

/**
 * What the policy asks for: "at most 1 point worse". Better means better by any amount: where a margin is stated, which has no effect there,
 * the text says so.
 * @param stated whether the policy states a margin
 */
export function requirementText(requirement: Requirement, margin: string, stated = false): string {
  switch (requirement) {
    case 'superior':
      return `better than the champion${stated ? ', by any amount' : ''}`;
    case 'non-inferior':
      return atMostWorse(margin);
    case 'not-inferior':
      return `no proven ${lossBeyond(margin)}`;
  }
}

/** What the bounds show of what the policy asks for, in a few words. */
export function findingText(
  requirement: Requirement,
  { state, worseWithinMargin, delta, upper }: Comparison,
  margin: string,
): string {
  switch (state) {
    case 'superior':
      return 'better';
    case 'inferior':
      return moreThan(margin);
    case 'non-inferior':
      if (worseWithinMargin === true) return `worse, by at most ${margin}`;
      return requirement === 'superior' ? `${atMostWorse(margin)}, not shown to be better` : atMostWorse(margin);
    case 'inconclusive':
      if (requirement === 'not-inferior') {
        return delta < 0 ? `worse, no proven ${lossBeyond(margin)}` : `no proven ${lossBeyond(margin)}`;
      }
      if (requirement === 'superior')
        return upper < 0 ? 'worse' : upper === 0 ? 'not better' : 'not shown to be better';
      return upper < 0 ? `worse, maybe by more than ${margin}` : `may be ${moreThan(margin)}`;
  }
}

/** What rows were planned for, and what was found. */
export interface Planned {
  requirement: Requirement;
  scale: Metric['scale'];
  /** How far the true difference is taken to lie from what has to be cleared. */
  gap: number;
  power: number;
  delta: number;
  rows: number;
  unit: 'rows' | 'queries';
  /** Whether the rows there are have the power already. */
  enough: boolean;
  /** Whether the true difference is taken to be what was measured, for want of a larger one that these rows could have missed. */
  asMeasured: boolean;
  onSlice: boolean;
}

/**
 * What would settle it, and on what condition: "about 4,100 more labelled rows would rule that out if it truly is no worse (80% power)".
 * @param needed rows in all; null where more rows of this kind cannot help
 */
export function outlookText(needed: number | null, planned: Planned): string {
  const { requirement, scale, gap, delta, rows, unit, enough, asMeasured, onSlice } = planned;
  const superior = requirement === 'superior';
  const settle = superior ? 'show it' : 'rule that out';
  const truth = asMeasured
    ? 'the gain is as measured'
    : superior
      ? `it truly is ${statedSize(gap, scale)} better`
      : 'it truly is no worse';
  const power = `${100 * planned.power}% power`;
  if (needed === null) {
    return enough
      ? `more ${unit} are unlikely to help: these ${count(rows)} ${unit} already had ${power} to ${settle} if ${truth}`
      : `more ${unit} are unlikely to help`;
  }
  const opposed = superior ? delta <= 0 : delta < -gap;
  if (opposed) {
    return `more ${unit} are unlikely to help: the measured difference is in the wrong direction`;
  }
  return `about ${roughly(needed - rows)} more labelled ${unit}${onSlice ? ' of this slice' : ''} would ${settle} if ${truth} (${power})`;
}

/** Two significant digits with thousands separators: a plan, not a measurement. */
function roughly(count: number): string {
  const rounded = count < 100 ? Math.ceil(count) : Number(count.toPrecision(2));
  return separated(rounded);
}

function atMostWorse(margin: string): string {
  return isNone(margin) ? 'not worse' : `at most ${margin} worse`;
}

function moreThan(margin: string): string {
  return isNone(margin) ? 'worse' : `more than ${margin} worse`;
}

function lossBeyond(margin: string): string {
  return isNone(margin) ? 'loss' : `loss of more than ${margin}`;
}

function isNone(margin: string): boolean {
  return /^0(?: points)?$/u.test(margin);
}
