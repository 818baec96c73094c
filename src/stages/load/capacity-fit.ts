import { tQuantile } from '../../statistics/distributions.ts';

/** Requests of a stretch at one rate, and how many of them broke an objective. */
export interface Trial {
  rate: number;
  total: number;
  over: number;
  /** The sum of squares of how many followed each other: what chance makes of `over`, whose bursts come independently. */
  bursts: number;
}

/** The rate at which an objective is just met, with bounds at 95%. Infinite: no trial came near it. */
export interface CapacityEstimate {
  rate: number;
  lower: number;
  upper: number;
}

const level = 0.05;
/** How far beyond the rates that were tried the answer may lie, and how fine it is looked for, on the scale of logarithms. */
const beyond = 0.3;
const fineness = 0.004;
/**
 * What the odds of a request being over gain when the rate gains 1%, in per cent, before anything is seen: a queue near its limit is
 * this steep, and a server that collapses at once is steeper.
 */
const usualSlope = 16;
const spreadOfSlope = 1;
const slopes = Array.from({ length: 13 }, (_, index) => 3 * 10 ** (index / 6));

/**
 * The rate at which a share `allowed` of requests is over. The logarithm of the odds of being over rises in a line with that of the
 * rate; the line is fitted to all stretches by quasi-likelihood, with their spread about it (queues come in bursts, so that requests of one
 * moment share their fate) as the measure of what chance does; the bounds are those of the likelihood ratio. The slope is held by a weak
 * prior, without which stretches that are all good or all bad would have none.
 */
export function rateAtShare(trials: readonly Trial[], allowed: number): CapacityEstimate {
  const rates = trials.map(({ rate }) => Math.log(rate));
  const from = Math.min(...rates) - beyond;
  const to = Math.max(...rates) + beyond;
  const steps = Math.max(2, Math.ceil((to - from) / fineness));
  const places = Array.from({ length: steps + 1 }, (_, step) => from + ((to - from) * step) / steps);
  const least = Math.log(allowed / (1 - allowed));
  const shareAt = (place: number, slope: number, rate: number): number =>
    1 / (1 + Math.exp(-Math.max(-30, Math.min(30, least + slope * (rate - place)))));
  const likelihood = (place: number, slope: number): number => {
    let sum = 0;
    for (const [index, { total, over }] of trials.entries()) {
      const share = shareAt(place, slope, rates[index] as number);
      sum += over * Math.log(share) + (total - over) * Math.log1p(-share);
    }
    return sum;
  };
  const prior = slopes.map((slope) => -0.5 * (Math.log(slope / usualSlope) / spreadOfSlope) ** 2);
  const all = places.map((place) => slopes.map((slope) => likelihood(place, slope)));

  // The spread shifts with the fit, and the weight of the prior with the spread: twice round is enough.
  let spread = 1;
  let profile: number[] = [];
  let best = 0;
  for (let round = 0; round < 3; round += 1) {
    const bySlope = all.map((row) => row.map((value, index) => value / spread + (prior[index] as number)));
    profile = bySlope.map((row) => Math.max(...row));
    best = profile.indexOf(Math.max(...profile));
    const row = bySlope[best] as number[];
    const slope = slopes[row.indexOf(Math.max(...row))] as number;
    spread = spreadOf(trials, (index) => shareAt(places[best] as number, slope, rates[index] as number));
  }
  const reach = tQuantile(1 - level / 2, Math.max(1, trials.length - 2)) ** 2 / 2;
  const within = profile.map((value) => value >= (profile[best] as number) - reach);
  const [first, last] = [within.indexOf(true), within.lastIndexOf(true)];
  const at = (step: number): number => Math.exp(places[step] as number);
  return {
    rate: best === steps ? Number.POSITIVE_INFINITY : at(best),
    lower: first === 0 ? 0 : at(first),
    upper: last === steps ? Number.POSITIVE_INFINITY : at(last),
  };
}

/** Pearson's statistic by its degrees of freedom, or the size of a burst, whichever is more: 1 where requests are independent. */
function spreadOf(trials: readonly Trial[], shareOf: (index: number) => number): number {
  // Where most are over, the queue does not come in bursts: it stands.
  const bursting = trials.filter(({ total, over }) => over < total / 2);
  const sumOf = (of: (trial: Trial) => number): number => bursting.reduce((all, each) => all + of(each), 0);
  const all = sumOf(({ over }) => over);
  const burst = sumOf(({ bursts }) => bursts) / Math.max(1, all);
  let sum = 0;
  for (const [index, { total, over }] of trials.entries()) {
    const share = shareOf(index);
    sum += (over - total * share) ** 2 / (total * share * (1 - share));
  }
  return Math.max(1, sum / Math.max(1, trials.length - 2), burst);
}
