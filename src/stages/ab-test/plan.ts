import { alphaOf } from '../../config/defaults.ts';
import type { Model } from '../../config/schema.ts';
import { quantityOf } from '../../config/quantity.ts';
import { ConfigError } from '../../errors.ts';
import { numberCell, textCell, type Section } from '../../report/section.ts';
import { bisected } from '../../statistics/bisection.ts';
import { normalQuantile } from '../../statistics/distributions.ts';
import { sequenceFactor } from '../../statistics/anytime-means.ts';
import { levelsOf, scaleOf, type AbTest, type ExperimentMetric } from './schema.ts';
import { count } from '../../wording.ts';

export interface Question {
  /** How far the true difference lies from what has to be cleared. */
  gap: number;
  /** Standard error of the difference times the root of the users of both arms. */
  perUser: number;
  alpha: number;
  power: number;
  sequential: boolean;
  /** Users at which the sequence is tightest; absent: the answer itself. */
  tuned?: number;
}

/** Users of both arms that show the gap with the power: at one look, or at the last of many. */
export function usersFor({ gap, perUser, alpha, power, sequential, tuned }: Question): number {
  const fixed = ((normalQuantile(1 - alpha) + normalQuantile(power)) * (perUser / gap)) ** 2;
  if (!sequential || fixed === Infinity) return Math.ceil(fixed);
  const enough = (n: number): boolean =>
    (gap * Math.sqrt(n)) / perUser - sequenceFactor(n, tuned ?? n, alpha, 1) >= normalQuantile(power);
  let high = Math.max(2, fixed);
  while (!enough(high) && high < 1e15) high *= 2;
  // Halved until half a user is left.
  const [, users] = bisected(high / 2, high, Math.ceil(Math.log2(high)), enough);
  return Math.ceil(users);
}

/** Users and days that the effects of the configuration take. @throws ConfigError where none says what is expected */
export function planOf(settings: AbTest, model: Model): Section {
  const alpha = alphaOf(model.policy);
  const asked = settings.metrics.flatMap((metric, index) =>
    metric.expected === undefined ? [] : [{ metric, index, expected: metric.expected }],
  );
  if (asked.length === 0) {
    throw new ConfigError({
      found: 'no metric of the experiment has the setting expected',
      expected:
        'value and effect for at least one metric, as in expected: {value, effect}, with sd unless it is a conversion',
      where: 'ab_test.metrics[0]',
    });
  }
  const share = settings.candidate_share ?? 0.5;
  const levels = levelsOf(settings.metrics, alpha);
  const rows = asked.map(({ metric, index, expected }) => {
    const effect = quantityOf(
      expected.effect,
      { title: metric.name, scale: scaleOf(metric) },
      'difference',
      `ab_test.metrics[${index}].expected.effect`,
    );
    const perUser = spreadOf(metric, index, effect) * Math.sqrt(1 / share + 1 / (1 - share));
    const question = { gap: effect, perUser, alpha: levels[index] as number, power: 0.8 };
    const days = (users: number): string =>
      settings.users_per_day === undefined ? '' : String(Math.ceil(users / settings.users_per_day));
    const fixed = usersFor({ ...question, sequential: false });
    const sequential = usersFor({ ...question, sequential: true });
    return [
      textCell(metric.name),
      numberCell(String(expected.value)),
      numberCell(String(expected.effect)),
      numberCell(count(fixed)),
      numberCell(days(fixed)),
      numberCell(count(sequential)),
      numberCell(days(sequential)),
    ];
  });
  return {
    title: 'Users that the experiment needs',
    columns: ['Metric', 'Champion', 'Effect', 'Users, one look', 'Days', 'Users, evaluated daily', 'Days'],
    rows,
    legend: `Users of both arms together, ${Math.round(100 * share)}% of them with the candidate, for 80% power at a one-sided level of ${alpha}${asked.some(({ index }) => levels[index] !== alpha) ? ', divided among guardrails, and among metrics that are advice' : ''}. A sequential analysis usually ends earlier. Set users to the largest number.`,
    importance: 5,
  };
}

/** Standard deviation over users, of both arms on average. @throws ConfigError */
function spreadOf({ kind, expected, better }: ExperimentMetric, index: number, effect: number): number {
  const { value = 0, sd } = expected ?? {};
  if (sd !== undefined) return sd;
  const other = value + (better === 'lower' ? -effect : effect);
  if (kind === 'conversion' && value > 0 && value < 1 && other > 0 && other < 1) {
    return Math.sqrt((value * (1 - value) + other * (1 - other)) / 2);
  }
  throw new ConfigError({
    found: kind === 'conversion' ? `a conversion of ${value} with an effect of ${effect}` : `no sd for a ${kind}`,
    expected:
      kind === 'conversion'
        ? 'value and effect as shares between 0 and 1'
        : 'the standard deviation over users (of a ratio: of its linearised value)',
    where: `ab_test.metrics[${index}].expected`,
  });
}
