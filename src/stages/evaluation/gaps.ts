import { shareOf } from '../../config/quantity.ts';
import type { Fairness } from './schema.ts';
import { ConfigError } from '../../errors.ts';

export type GapName = Fairness['gates'][number]['metric'];

export type Rate = 'selectionRate' | 'truePositiveRate' | 'falsePositiveRate' | 'precision' | 'accuracy';

export const rateTitles: Record<Rate, string> = {
  selectionRate: 'selected',
  truePositiveRate: 'true positive rate',
  falsePositiveRate: 'false positive rate',
  precision: 'precision',
  accuracy: 'accuracy',
};

export interface Gap {
  title: string;
  better: 'higher' | 'lower';
  /** What is compared between groups: the difference of any of these rates, or their ratio. */
  rates: readonly Rate[];
}

/** Gaps as fairlearn defines them: the largest difference (or smallest ratio) between any two groups. */
export const gaps: Record<GapName, Gap> = {
  demographic_parity_difference: {
    title: 'demographic parity difference',
    better: 'lower',
    rates: ['selectionRate'],
  },
  demographic_parity_ratio: { title: 'demographic parity ratio', better: 'higher', rates: ['selectionRate'] },
  equalized_odds_difference: {
    title: 'equalised odds difference',
    better: 'lower',
    rates: ['truePositiveRate', 'falsePositiveRate'],
  },
  equal_opportunity_difference: {
    title: 'equal opportunity difference',
    better: 'lower',
    rates: ['truePositiveRate'],
  },
  false_positive_rate_difference: {
    title: 'false positive rate difference',
    better: 'lower',
    rates: ['falsePositiveRate'],
  },
  predictive_parity_difference: {
    title: 'predictive parity difference',
    better: 'lower',
    rates: ['precision'],
  },
  accuracy_difference: { title: 'accuracy difference', better: 'lower', rates: ['accuracy'] },
};

/** What a gate asks of a gap, as shares. Null where it does not. */
export interface GapBounds {
  most: number | null;
  least: number | null;
  margin: number | null;
}

/** @param where key of the gate @throws ConfigError for a gate that asks for nothing, or in another unit */
export function boundsOfGap(gate: Fairness['gates'][number], where: string): GapBounds {
  const read = (key: 'max' | 'min' | 'margin'): number | null => {
    const stated = gate[key];
    const role = key === 'margin' ? 'difference' : 'bound';
    return stated === undefined ? null : shareOf(stated, gaps[gate.metric].title, role, `${where}.${key}`);
  };
  const bounds = { most: read('max'), least: read('min'), margin: read('margin') };
  if (Object.values(bounds).some((bound) => bound !== null)) return bounds;
  throw new ConfigError({
    found: `the fairness gate on ${gate.metric} has no requirement`,
    expected: 'a max, a min or a margin',
    where,
  });
}
