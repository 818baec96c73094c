import { shareOf } from '../../config/quantity.ts';
import type { Check } from '../../evidence/index.ts';
import type { PredictionResult } from '../../model/predictions.ts';
import { changedDecisions, type Scored, type Scorer } from '../../model/scorer.ts';
import { absentCheck, limitCheck, type Absence } from './limit.ts';
import { proportionBounds } from './proportion.ts';
import { percent, significant, unitOf } from '../../wording.ts';
import type { Behaviour } from './schema.ts';
import { atLeast } from '../comparison.ts';

export interface AgreementInput {
  settings: NonNullable<Behaviour['agreement']>;
  candidate: PredictionResult;
  /** The model that the candidate was made of, and how it is called. */
  parent: { name: string; sha256: string; result: PredictionResult } | Absence;
  /** Of every row. */
  scorer: Scorer;
  alpha: number;
}

const title = 'Agreement with the parent';

/** Does the candidate answer as the model it was made of, on every row of the evaluation set? Labels are not needed for it. */
export function judgeAgreement(input: AgreementInput): { checks: Check[]; details: Record<string, unknown> } {
  const { settings, parent, scorer, alpha } = input;
  const { severity, min_label_agreement: stated, max_score_difference: most } = settings;
  const least =
    stated === undefined
      ? undefined
      : shareOf(stated, 'the rows with the same decision', 'bound', 'behaviour.agreement.min_label_agreement');
  const open = (reason: string): ReturnType<typeof judgeAgreement> => ({
    checks: [absentCheck('agreement', title, { verdict: 'inconclusive', reason }, severity)],
    details: {},
  });
  if ('verdict' in parent) return { checks: [absentCheck('agreement', title, parent, severity)], details: {} };
  const mine = scoredOf(scorer, input.candidate);
  if (typeof mine === 'string') return open(`the candidate cannot be used: ${mine}`);
  const theirs = scoredOf(scorer, parent.result);
  if (typeof theirs === 'string') return open(`${parent.name} cannot be used: ${theirs}`);

  const checks: Check[] = [];
  const details: Record<string, unknown> = { parent: { name: parent.name, sha256: parent.sha256 }, rows: scorer.rows };
  if (mine.decisions !== null && theirs.decisions !== null) {
    const alike = scorer.rows - changedDecisions(theirs, mine, scorer.rows);
    const share = alike / scorer.rows;
    const bounds = proportionBounds(alike, scorer.rows, alpha);
    details['labels'] = { alike, share, ...bounds };
    const message = `Candidate and ${parent.name} make the same decision on ${significant(alike)} of ${significant(scorer.rows)} ${unitOf(scorer.rows, 'rows')}, ${percent(share)} (bounds ${percent(bounds.lower)} to ${percent(bounds.upper)})`;
    checks.push(
      limitCheck({
        name: 'label-agreement',
        title: 'Rows with the same decision as the parent',
        verdict: least === undefined ? 'pass' : atLeast(bounds, least),
        severity: least === undefined ? 'info' : severity,
        message: least === undefined ? message : `${message}, at least ${percent(least)} required`,
        observed: share,
        required: least ?? null,
        limit: 'at least',
        unit: 'share',
      }),
    );
  } else if (least !== undefined) checks.push(...open('one of the models makes no decisions').checks);
  if (mine.scores !== null && theirs.scores !== null) {
    const differences = rowDifferences(mine.scores, theirs.scores, scorer.rows).sort();
    const quantile = (share: number): number => differences[Math.ceil(share * differences.length) - 1] as number;
    const greatest = quantile(1);
    details['scoreDifferences'] = { p50: quantile(0.5), p90: quantile(0.9), p99: quantile(0.99), max: greatest };
    const message = `Scores of candidate and ${parent.name} differ by ${significant(greatest)} at most, by ${significant(quantile(0.99))} or less on 99% of the rows`;
    checks.push(
      limitCheck({
        name: 'score-difference',
        title: 'Largest difference of a score',
        verdict: most === undefined || greatest <= most ? 'pass' : 'fail',
        severity: most === undefined ? 'info' : severity,
        message: most === undefined ? message : `${message}; at most ${significant(most)} allowed`,
        observed: greatest,
        required: most ?? null,
      }),
    );
  } else if (most !== undefined) checks.push(...open('one of the models has labels without scores').checks);
  return { checks, details: { agreement: details } };
}

function scoredOf(scorer: Scorer, result: PredictionResult): Scored | string {
  if (!result.ok) return result.fault.message;
  const read = scorer.read(result.predictions);
  return read.ok ? read.scored : read.message;
}

/** The greatest difference of each row. */
function rowDifferences(mine: Float64Array, theirs: Float64Array, rows: number): Float64Array {
  const width = mine.length / rows;
  const differences = new Float64Array(rows);
  for (const [place, score] of mine.entries()) {
    const row = Math.floor(place / width);
    differences[row] = Math.max(differences[row] as number, Math.abs(score - (theirs[place] as number)));
  }
  return differences;
}
