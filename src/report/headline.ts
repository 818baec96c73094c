import type { Check, Comparison } from '../evidence/index.ts';
import { about, metricName, metricValue, rowsStillNeeded, toldComparison } from './numbers.ts';
import { deciding, standing, type ReportInput } from './standing.ts';

/**
 * One sentence: the verdict, then the numbers that decided it.
 * "Held: recall is 0.9197, 1.4 points below the champion (bounds -3.5 to +0.7, margin 1.0); about 4,100 more labelled rows would settle it"
 */
export function headline(input: ReportInput): string {
  const { check, message, others } = deciding(input);
  const said = check === undefined ? sentence(message) : decidingNumbers(check);
  const more = others === 0 ? '' : ` (and ${others} more ${others === 1 ? 'reason' : 'reasons'})`;
  return `${standing(input).word}: ${said}${more}`;
}

/** The deciding numbers of one comparison as half a sentence. */
export function comparisonSentence(comparison: Comparison): string {
  const { delta, unit, lower, upper, margin } = toldComparison(comparison);
  const higherIsBetter = comparison.delta === 0 || comparison.candidate > comparison.champion === comparison.delta > 0;
  const way =
    comparison.delta > 0 ? (higherIsBetter ? 'above' : 'better than') : higherIsBetter ? 'below' : 'worse than';
  const difference =
    comparison.delta === 0 ? 'the same as the champion' : `${delta.replace(/^[+-]/u, '')}${unit} ${way} the champion`;
  const where = comparison.slice === undefined ? '' : ` on ${comparison.slice}`;
  return `${metricName(comparison.metric)}${where} is ${metricValue(comparison.candidate)}, ${difference} (bounds ${lower} to ${upper}, margin ${margin})`;
}

function decidingNumbers(check: Check): string {
  if (check.comparison === undefined) return sentence(check.message);
  const said = comparisonSentence(check.comparison);
  if (check.verdict !== 'inconclusive') return said;
  const rows = rowsStillNeeded(check.comparison);
  if (rows === undefined || rows === 0) return said;
  return rows === null
    ? `${said}; more labelled rows would not settle it`
    : `${said}; about ${about(rows)} more labelled rows would settle it`;
}

function sentence(message: string): string {
  return message.replace(/[.\s]+$/u, '');
}
