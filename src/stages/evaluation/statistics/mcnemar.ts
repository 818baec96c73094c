import binomialCdf from '@stdlib/stats-base-dists-binomial-cdf';

/** Two-sided McNemar tests on the discordant pairs. */
export interface McNemar {
  /** Exact conditional binomial p-value. */
  exact: number;
  /** Mid-p: `exact` less the probability of the observed table (Fagerland et al., BMC Med. Res. Methodol. 2013). */
  midP: number;
}

/** @param gained rows only the candidate gets right; @param lost rows only the champion gets right */
export function mcnemar(gained: number, lost: number): McNemar {
  const discordant = gained + lost;
  if (discordant === 0) return { exact: 1, midP: 1 };
  const fewer = Math.min(gained, lost);
  const tail = binomialCdf(fewer, discordant, 0.5);
  const point = tail - (fewer === 0 ? 0 : binomialCdf(fewer - 1, discordant, 0.5));
  const exact = Math.min(1, 2 * tail);
  return { exact, midP: exact - point };
}

/** One-sided mid-p of "the candidate does not lose": small where `lost` outnumbers `gained` beyond chance. */
export function lossMidP(gained: number, lost: number): number {
  const discordant = gained + lost;
  if (discordant === 0) return 1;
  const below = gained === 0 ? 0 : binomialCdf(gained - 1, discordant, 0.5);
  return (binomialCdf(gained, discordant, 0.5) + below) / 2;
}
