import { levelText, shownDifference, statedSize, type Check, type Comparison } from '../evidence/index.ts';
import { metricName, metricValue } from './numbers.ts';
import { deciding, standing, type Result } from './standing.ts';

/** Nobody reads more of a headline at a glance. */
const mostWords = 25;

/**
 * One sentence: the verdict; what decided, by how much, how much is allowed, and whether that is more than noise.
 * "Held: recall is 0.9197, 1.4 points below the champion's 0.9337; 1 point is allowed; the loss may be noise"
 */
export function headline(input: Result): string {
  const { message, others, check } = deciding(input);
  const more = others === 0 ? '' : ` (and ${others} more ${others === 1 ? 'reason' : 'reasons'})`;
  return `${standing(input).word}: ${said(input, message, check)}${more}${waiting(input)}${sinceThen(input)}`;
}

function said({ decision }: Result, message: string, check: Check | undefined): string {
  // What a person did is told by their name, and in their own words.
  if (decision !== null && decision.action !== 'gate') return ended(message);
  if (check?.comparison === undefined) return shortened(continued(message));
  const compared = comparedText(check.comparison);
  return check.verdict === 'pass' ? `${continued(firstSentence(message))}; ${compared}` : compared;
}

/** "recall is 0.9197, 1.4 points below the champion's 0.9337; 1 point is allowed; the loss may be noise" */
function comparedText(comparison: Comparison): string {
  const { metric, slice, candidate, champion, delta, anchor } = comparison;
  const difference = shownDifference(comparison);
  const name = `${metricName(metric)}${slice === undefined ? '' : ` on ${slice}`}`;
  const rival = anchor === undefined ? 'champion' : 'anchor';
  const size = `${difference.delta.replace(/^[-+]/u, '')}${difference.unit}`;
  // Of a loss, such as log loss, less is better: below says nothing then.
  const upward = candidate > champion === delta > 0;
  const direction = upward ? (delta > 0 ? 'above' : 'below') : delta > 0 ? 'better than' : 'worse than';
  const distance =
    delta === 0 ? `equal to the ${rival}'s` : `${size} ${direction} the ${rival}'s ${metricValue(champion)}`;
  return `${name} is ${metricValue(candidate)}, ${distance}; ${allowance(comparison)}`;
}

/** How much is allowed, and whether what was measured is more than noise. */
function allowance(comparison: Comparison): string {
  const { state, requirement, delta, lower, upper, margin, scale, finding } = comparison;
  const size = statedSize(margin, scale);
  const allowed =
    requirement === 'superior'
      ? 'better is required'
      : margin === 0
        ? 'no loss is allowed'
        : `${size} ${size === '1 point' ? 'is' : 'are'} allowed`;
  if (isNotJudged(comparison)) return finding ?? '';
  if (finding === 'nothing is shown') return `${allowed}; too few rows to tell`;
  if (lower > 0) return 'the gain is more than noise';
  if (upper < 0)
    return `${allowed}; ${state === 'inconclusive' ? 'the loss is real, but its size is unclear' : 'the loss is more than noise'}`;
  if (requirement === 'superior') return `${allowed}; the ${delta < 0 ? 'loss' : 'gain'} may be noise`;
  if (state === 'non-inferior') return margin === 0 ? 'not worse' : `any loss is within the ${size} allowed`;
  if (delta < 0) return `${allowed}; the loss may be noise`;
  return `noise could hide ${margin === 0 ? 'a loss' : `a loss beyond ${size}`}`;
}

/** Its numbers stand there, and nothing follows from them: an experiment that cannot be trusted, or has hardly begun. */
export function isNotJudged({ finding }: Comparison): boolean {
  return finding?.startsWith('not judged') === true;
}

/** "90% interval": what two one-sided bounds at a level make together. */
export function intervalLevel(alpha: number): string {
  return levelText(2 * alpha);
}

/** Where the decision waits: nobody should take it for one that is in force. */
function waiting({ pullRequest }: Result): string {
  if (pullRequest === undefined) return '';
  const { number, open } = pullRequest;
  return open
    ? `; not active until pull request ${number} is merged`
    : `; not active, because pull request ${number} was closed without being merged`;
}

/** An earlier act that no longer holds is not shown as if it did. */
function sinceThen({ decision, holdsNow }: Result): string {
  if (holdsNow === undefined || decision === null) return '';
  return `; done before${'seq' in decision ? `, in decision ${decision.seq}` : ''}, and overtaken: ${holdsNow}`;
}

/** As much of a sentence as is read at a glance, up to where it pauses. */
export function shortened(text: string): string {
  const words = text.split(' ');
  if (words.length <= mostWords) return text;
  const start = words.slice(0, mostWords).join(' ');
  // What stands before a colon announces, and says little without what follows.
  const upTo = (pauses: RegExp): string | undefined =>
    [...start.matchAll(pauses)].map(({ index }) => start.slice(0, index)).findLast(isWhole);
  return upTo(/[;,.](?=\s)|\s\(/gu) ?? upTo(/:(?=\s)/gu) ?? `${start}…`;
}

/** Whether it says something, and closes what it opens. */
function isWhole(text: string): boolean {
  const count = (sign: string): number => text.split(sign).length - 1;
  return text.length >= 20 && count('(') === count(')') && count('[') === count(']') && count('"') % 2 === 0;
}

function firstSentence(message: string): string {
  return message.split(/(?<=[.])\s/u)[0] ?? message;
}

function ended(message: string): string {
  return message.replace(/[.\s]+$/u, '');
}

/** A sentence as the second half of another; what is not an ordinary word keeps its capital. */
function continued(message: string): string {
  return ended(message).replace(/^[A-Z](?=[a-z]*\s)/u, (letter) => letter.toLowerCase());
}
