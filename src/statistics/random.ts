import { splitmix32 } from './splitmix.ts';

/** A seeded source of uniform random numbers. Not for secrets. */
export interface Random {
  /** The next number in [0, 1), with 32 random bits. */
  uniform(): number;
  /** The next integer in 0..bound-1; `bound` up to 2^32. */
  integer(bound: number): number;
  /** Adds 1 to `draws` elements of `counts`, each drawn anew: what `integer(counts.length)` would draw, and faster. */
  tally(counts: Float64Array, draws: number): void;
}

/**
 * xoshiro128** 1.1 (Blackman and Vigna, "Scrambled linear pseudorandom number generators", ACM TOMS 2021), its state filled
 * from `seed` by splitmix32. The same seed gives the same numbers on every machine: evidence can be recomputed.
 */
export function randomFrom(seed: number): Random {
  const fill = splitmix32(seed);
  let a = fill();
  let b = fill();
  let c = fill();
  let d = fill();
  const next = (): number => {
    const scrambled = Math.imul(b, 5);
    const result = Math.imul((scrambled << 7) | (scrambled >>> 25), 9) >>> 0;
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = (d << 11) | (d >>> 21);
    return result;
  };
  return {
    uniform: () => next() / 4294967296,
    integer: (bound) => Math.floor((next() / 4294967296) * bound),
    tally: (counts, draws) => {
      const bound = counts.length;
      // The same steps as `next`, with the state in local variables for as long as they are many.
      let [x, y, z, w] = [a, b, c, d];
      for (let draw = 0; draw < draws; draw += 1) {
        const scrambled = Math.imul(y, 5);
        const result = Math.imul((scrambled << 7) | (scrambled >>> 25), 9) >>> 0;
        const shifted = y << 9;
        z ^= x;
        w ^= y;
        y ^= z;
        x ^= w;
        z ^= shifted;
        w = (w << 11) | (w >>> 21);
        counts[Math.floor((result / 4294967296) * bound)]! += 1;
      }
      [a, b, c, d] = [x, y, z, w];
    },
  };
}

/** Two independent standard normal variates, written to `pair`: Box and Muller's transform (Ann. Math. Stat. 29, 1958). */
export function normalPair(random: Random, pair: Float64Array): void {
  const radius = Math.sqrt(-2 * Math.log(1 - random.uniform()));
  const angle = 2 * Math.PI * random.uniform();
  pair[0] = radius * Math.cos(angle);
  pair[1] = radius * Math.sin(angle);
}

/**
 * A binomial variate: successes in `trials` with probability `probability`.
 * Inversion where the mean is small, else the transformed rejection BTRS (Hörmann, "The generation of binomial random
 * variates", J. Stat. Comput. Simul. 1993): its cost does not grow with `trials`.
 */
export function binomial(random: Random, trials: number, probability: number): number {
  if (trials <= 0 || probability <= 0) return 0;
  if (probability >= 1) return trials;
  if (probability > 0.5) return trials - binomial(random, trials, 1 - probability);
  return trials * probability < 10
    ? invertBinomial(random, trials, probability)
    : rejectBinomial(random, trials, probability);
}

/** Counts of `trials` draws over cells with the given non-negative weights, written to `counts`. */
export function multinomial(random: Random, trials: number, weights: Float64Array, counts: Float64Array): void {
  let left = trials;
  let mass = 0;
  for (const weight of weights) mass += weight;
  for (let cell = 0; cell < weights.length; cell += 1) {
    const weight = weights[cell] as number;
    const drawn =
      left === 0 ? 0 : cell === weights.length - 1 ? left : binomial(random, left, Math.min(1, weight / mass));
    counts[cell] = drawn;
    left -= drawn;
    mass -= weight;
  }
}

function invertBinomial(random: Random, trials: number, probability: number): number {
  const odds = probability / (1 - probability);
  let mass = Math.pow(1 - probability, trials);
  let rest = random.uniform();
  let successes = 0;
  while (rest > mass && successes < trials) {
    rest -= mass;
    successes += 1;
    mass *= (odds * (trials - successes + 1)) / successes;
  }
  return successes;
}

function rejectBinomial(random: Random, trials: number, probability: number): number {
  const spread = Math.sqrt(trials * probability * (1 - probability));
  const b = 1.15 + 2.53 * spread;
  const a = -0.0873 + 0.0248 * b + 0.01 * probability;
  const centre = trials * probability + 0.5;
  const squeeze = 0.92 - 4.2 / b;
  const odds = probability / (1 - probability);
  const alpha = (2.83 + 5.1 / b) * spread;
  const mode = Math.floor((trials + 1) * probability);
  for (;;) {
    const u = random.uniform() - 0.5;
    let v = random.uniform();
    const us = 0.5 - Math.abs(u);
    const successes = Math.floor(((2 * a) / us + b) * u + centre);
    if (us >= 0.07 && v <= squeeze) return successes;
    if (successes < 0 || successes > trials) continue;
    v = Math.log((v * alpha) / (a / (us * us) + b));
    const bound =
      (mode + 0.5) * Math.log((mode + 1) / (odds * (trials - mode + 1))) +
      (trials + 1) * Math.log((trials - mode + 1) / (trials - successes + 1)) +
      (successes + 0.5) * Math.log((odds * (trials - successes + 1)) / (successes + 1)) +
      stirlingTail(mode) +
      stirlingTail(trials - mode) -
      stirlingTail(successes) -
      stirlingTail(trials - successes);
    if (v <= bound) return successes;
  }
}

const stirlingTails = [
  0.0810614667953272, 0.0413406959554092, 0.0276779256849983, 0.0207906721037651, 0.0166446911898211,
  0.0138761288230707, 0.0118967099458917, 0.010411265261972, 0.0092554621827127, 0.0083305634333628,
];

/** log(k!) minus Stirling's approximation. */
function stirlingTail(k: number): number {
  const known = stirlingTails[k];
  if (known !== undefined) return known;
  const square = (k + 1) * (k + 1);
  return (1 / 12 - (1 / 360 - 1 / 1260 / square) / square) / (k + 1);
}
