/*
 * The distribution of Kolmogorov's statistic for finite samples. Which method serves where follows Simard and L'Ecuyer,
 * "Computing the two-sided Kolmogorov-Smirnov distribution", J. Stat. Software 39(11), 2011.
 */

/**
 * P(D >= d) of the two-sample Kolmogorov-Smirnov test, two-sided: the one-sample distribution at the effective size
 * round(n m / (n + m)), as scipy's `ks_2samp(method='asymp')`.
 * @param d the largest distance of the two distribution functions, 0 to 1
 */
export function twoSampleKolmogorovP(d: number, n: number, m: number): number {
  return kolmogorovP(d, roundHalfEven((n * m) / (n + m)));
}

/** P(D_n >= d), two-sided, for one sample of n. Within 1e-10 of the exact value for n <= 140, 1e-7 beyond where d is small. */
export function kolmogorovP(d: number, n: number): number {
  if (!(n >= 1)) return Number.NaN;
  const t = n * d;
  if (d >= 1 || n * d * d >= 370) return 0;
  if (t <= 0.5) return 1;
  // Ruben and Gambino (1982): closed forms at both ends.
  if (t <= 1) return 1 - Math.exp(logFactorialOverPower(n) + n * Math.log(2 * t - 1));
  if (t >= n - 1) return 2 * (1 - d) ** n;
  const squared = t * d;
  if (d >= 0.5 || squared >= (n <= 140 ? 4 : 2.2)) return clip(2 * smirnov(d, n));
  if (n <= 140 || (n <= 100_000 && n * d ** 1.5 <= 1.4)) return clip(1 - durbin(d, n));
  return clip(1 - pelzGood(d, n));
}

/** P(D_n+ >= d), one-sided and exact: Smirnov (1944), each term as a binomial probability at its mode, so that nothing cancels. */
function smirnov(d: number, n: number): number {
  let sum = (1 - d) ** n;
  const last = Math.floor(n * (1 - d));
  for (let v = 1; v <= last; v++) {
    if (v === n) continue;
    const rest = n - v;
    const shrunk = 1 - (d * n) / rest;
    if (shrunk <= 0) continue;
    const log =
      stirlingError(n) -
      stirlingError(v) -
      stirlingError(rest) +
      v * Math.log1p((d * n) / v) +
      rest * Math.log1p(-(d * n) / rest);
    sum += (d * Math.exp(log) * Math.sqrt(n / (2 * Math.PI * v * rest))) / (d + v / n);
  }
  return sum;
}

/** P(D_n < d), exact: powers of Durbin's matrix (Marsaglia, Tsang and Wang, J. Stat. Software 8(18), 2003). */
function durbin(d: number, n: number): number {
  const k = Math.ceil(n * d);
  const h = k - n * d;
  const size = 2 * k - 1;
  const factorials = [1];
  for (let i = 1; i <= size; i++) factorials.push((factorials[i - 1] as number) * i);
  const edge = (i: number): number => (1 - h ** i) / (factorials[i] as number);
  let matrix = new Float64Array(size * size);
  for (let row = 0; row < size; row++) {
    for (let column = 1; column < size; column++) {
      const power = row - column + 1;
      matrix[row * size + column] = power < 0 ? 0 : 1 / (factorials[power] as number);
    }
    matrix[row * size] = edge(row + 1);
  }
  for (let column = 1; column < size; column++) matrix[(size - 1) * size + column] = edge(size - column);
  matrix[(size - 1) * size] = (1 - 2 * h ** size + Math.max(0, 2 * h - 1) ** size) / (factorials[size] as number);
  // The n-th power, with a common logarithm taken out so that nothing overflows.
  let result = identity(size);
  let resultLog = 0;
  let matrixLog = 0;
  for (let rest = n; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) {
      result = multiply(result, matrix, size);
      resultLog += matrixLog;
      resultLog += rescale(result);
    }
    matrix = multiply(matrix, matrix, size);
    matrixLog *= 2;
    matrixLog += rescale(matrix);
  }
  const middle = result[(k - 1) * size + (k - 1)] as number;
  return Math.exp(Math.log(middle) + resultLog + logFactorialOverPower(n));
}

function identity(size: number): Float64Array<ArrayBuffer> {
  const matrix = new Float64Array(size * size);
  for (let i = 0; i < size; i++) matrix[i * size + i] = 1;
  return matrix;
}

function multiply(a: Float64Array, b: Float64Array, size: number): Float64Array<ArrayBuffer> {
  const product = new Float64Array(size * size);
  for (let row = 0; row < size; row++) {
    for (let inner = 0; inner < size; inner++) {
      const factor = a[row * size + inner] as number;
      if (factor === 0) continue;
      for (let column = 0; column < size; column++) {
        const at = row * size + column;
        product[at] = (product[at] as number) + factor * (b[inner * size + column] as number);
      }
    }
  }
  return product;
}

/** Divide by the largest entry; the logarithm of what was taken out. */
function rescale(matrix: Float64Array): number {
  const largest = matrix.reduce((high, value) => Math.max(high, Math.abs(value)), 0);
  for (let i = 0; i < matrix.length; i++) matrix[i] = (matrix[i] as number) / largest;
  return Math.log(largest);
}

/** P(D_n < d) by the expansion of Pelz and Good (J. R. Stat. Soc. B 38, 1976), whose error falls with n squared. */
function pelzGood(d: number, n: number): number {
  const z = Math.sqrt(n) * d;
  const [z2, z4, z6, z7, z8, z10] = [z ** 2, z ** 4, z ** 6, z ** 7, z ** 8, z ** 10] as const;
  const pi2 = Math.PI ** 2;
  const terms = Math.ceil((16 * z) / Math.PI);
  const sums = [0, 0, 0, 0] as [number, number, number, number];
  for (let k = 1; k <= terms; k++) {
    const odd2 = (2 * k - 1) ** 2;
    const weight = Math.exp((-pi2 * odd2) / (8 * z2));
    sums[0] += weight;
    sums[1] += weight * ((pi2 / 4) * odd2 - z2);
    sums[2] +=
      weight * (6 * z6 + 2 * z4 + ((2 * z4 - 5 * z2) * pi2 * odd2) / 4 + (pi2 ** 2 * (1 - 2 * z2) * odd2 ** 2) / 16);
    sums[3] +=
      weight *
      (-30 * z6 -
        90 * z8 +
        (pi2 * (135 * z4 - 96 * z6) * odd2) / 4 +
        (pi2 ** 2 * (212 * z4 - 60 * z2) * odd2 ** 2) / 16 +
        (pi2 ** 3 * (5 - 30 * z2) * odd2 ** 3) / 64);
  }
  let second = 0;
  let third = 0;
  for (let k = 1; k <= terms; k++) {
    const k2 = k * k;
    const weight = Math.exp((-pi2 * k2) / (2 * z2));
    second += k2 * weight;
    third += (3 * z2 - pi2 * k2) * k2 * weight;
  }
  const root = Math.sqrt(2 * Math.PI);
  return (
    (root * sums[0]) / z +
    (root * sums[1]) / (6 * z4 * Math.sqrt(n)) +
    ((root * sums[2]) / (72 * z7) - (pi2 * root * second) / (36 * z ** 3)) / n +
    ((root * sums[3]) / (6480 * z10) + (pi2 * root * third) / (216 * z6)) / n ** 1.5
  );
}

/** ln(n! / n^n). */
function logFactorialOverPower(n: number): number {
  return stirlingError(n) - n + 0.5 * Math.log(2 * Math.PI * n);
}

/** ln k! less Stirling's approximation (Loader, "Fast and accurate computation of binomial probabilities", 2000). */
function stirlingError(k: number): number {
  if (k < 16) return smallErrors[k] as number;
  const k2 = k * k;
  return (1 / 12 - (1 / 360 - (1 / 1260 - (1 / 1680 - 1 / (1188 * k2)) / k2) / k2) / k2) / k;
}

const smallErrors = Array.from({ length: 16 }, (_, k) => {
  let factorial = 1;
  for (let i = 2; i <= k; i++) factorial *= i;
  return k === 0 ? 0 : Math.log(factorial) - (k + 0.5) * Math.log(k) + k - 0.5 * Math.log(2 * Math.PI);
});

function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

function clip(probability: number): number {
  return Math.min(1, Math.max(0, probability));
}
