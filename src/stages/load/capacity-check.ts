import type { Check } from '../../evidence/index.ts';
import { leastRate, loadCheck } from './check.ts';
import type { Slo } from './schema.ts';
import { count, separated } from '../../wording.ts';

/** The highest rate within the objectives, as it was measured. */
export interface FoundCapacity {
  /** The likeliest, of a search that estimates it; `met` and `missed` are the bounds of it. */
  estimate?: number | null;
  /** Highest requests a second at which the objectives were met; null: at none that was tried. */
  met: number | null;
  /** Lowest above it at which they were missed, again and again; null: at none. */
  missed: number | null;
  /** What was missed first, and what the target or the generator was short of. */
  because: string;
  /** The generator or the limit of the profile was reached, not the server. */
  bounded: boolean;
}

/** load/capacity: blocks where the configuration asks for so much, else it informs. */
export function capacityCheck({ estimate, met, missed, because, bounded }: FoundCapacity, slo: Slo): Check {
  const required = slo.capacity ?? null;
  const title = 'Capacity within the objectives';
  const observed = estimate ?? met;
  const isEstimate = estimate !== undefined && estimate !== null && missed !== null;
  const held =
    isEstimate && met !== null
      ? `The objectives are met up to ${perSecond(estimate)}, between ${rounded(met)} and ${rounded(missed)}/s`
      : met === null
        ? 'The objectives were not met at any rate'
        : `The objectives were met up to ${perSecond(met)}`;
  const broke = isEstimate
    ? `: ${because}`
    : missed === null
      ? bounded
        ? `; the server may do more: ${because}`
        : ''
      : ` and missed from ${perSecond(missed)}: ${because}`;
  const message = held + broke + (required === null ? '' : ` (at least ${perSecond(required)} required)`);
  const verdict =
    required === null
      ? 'pass'
      : met !== null && met >= required * (1 - 1e-9)
        ? 'pass'
        : missed !== null && missed <= required * (1 + 1e-9)
          ? 'fail'
          : 'inconclusive';
  const severity = required === null ? 'info' : 'block';
  return loadCheck('capacity', title, leastRate, { verdict, severity, observed, required, message });
}

function perSecond(rate: number): string {
  return `${rounded(rate)}/s (${count(rate * 60)} a minute)`;
}

function rounded(rate: number): string {
  return separated(Number(rate.toPrecision(4)));
}
