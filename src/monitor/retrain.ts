import { milliseconds } from '../config/units.ts';
import { openFindings, type Finding } from './findings.ts';
import type { Retraining, WindowRecord } from './record.ts';
import type { Retrain } from './schema.ts';
import { count } from '../wording.ts';

/** Whether a new candidate is to be trained, and why, or why not. */
export interface RetrainDecision {
  due: boolean;
  findings: Finding[];
  /** One sentence: what asks for it, or what keeps it. */
  reason: string;
}

/**
 * Harm or a KPI, seen for long enough, with enough new labels to learn from, not too soon after the last training or promotion, and
 * not while a rollout runs. Drift alone never asks for it. Pure.
 */
export function decideRetraining(input: {
  settings: Retrain;
  findings: readonly Finding[];
  records: readonly WindowRecord[];
  retrainings: readonly Retraining[];
  /** When the champion became it; null: unknown. */
  promotedAt: number | null;
  /** The environment that holds another version than the champion; null: none. */
  rollout: string | null;
  now: number;
}): RetrainDecision {
  const { settings, records, retrainings, promotedAt, rollout, now } = input;
  const { on = ['harm', 'kpi'], persistence = 2, min_labels: minLabels = 1000, cool_down: coolDown = '7d' } = settings;
  const asking = openFindings(input.findings).filter(
    ({ rank, level }) => level === 'alarm' && on.some((each) => each === rank),
  );
  const not = (reason: string): RetrainDecision => ({ due: false, findings: asking, reason });
  if (asking.length === 0) return not(`no open finding of ${on.join(' or ')}`);
  const lasting = asking.filter(({ inRow }) => inRow >= persistence);
  const [worst] = lasting;
  if (worst === undefined) {
    const [first] = asking as [Finding];
    return not(
      `${first.title}: seen in ${first.inRow} window${first.inRow === 1 ? '' : 's'} in a row, ${persistence} needed`,
    );
  }
  if (rollout !== null) return not(`${rollout}: a rollout runs`);
  const lastTraining = retrainings.reduce((latest, { at }) => Math.max(latest, Date.parse(at)), -Infinity);
  const since = Math.max(lastTraining, promotedAt ?? -Infinity);
  const wait = since + milliseconds(coolDown) - now;
  if (wait > 0) {
    const what = since === lastTraining ? 'retraining was started' : 'promotion was';
    return not(`the last ${what} ${new Date(since).toISOString()}: cool-down of ${coolDown}`);
  }
  const labels = records
    .filter(({ end }) => Date.parse(end) > since)
    .reduce((sum, { performance }) => sum + (performance?.rows ?? 0), 0);
  if (labels < minLabels) {
    return not(`${count(labels)} mature labels since then, ${count(minLabels)} needed`);
  }
  return { due: true, findings: lasting, reason: `${worst.title}: ${worst.message}` };
}
