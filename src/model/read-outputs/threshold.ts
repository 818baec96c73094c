import { ConfigError } from '../../errors.ts';
import type { Predictions } from '../predictions.ts';
import { fromFloat16, roundBfloat16, toFloat16 } from '../tensor.ts';

/**
 * A threshold among scores of this type: a tuned threshold is itself a score, so that 0.7 is 0.699999988 where the scores are
 * floats of 32 bits. `type` is ONNX's name; any other than float, float16 and bfloat16 leaves the threshold as it is.
 */
export function thresholdIn(type: string, threshold: Predictions['threshold']): Predictions['threshold'] {
  const round = roundings[type] ?? null;
  if (round === null) return threshold;
  return typeof threshold === 'number' ? round(threshold) : threshold.map(round);
}

const roundings: Readonly<Record<string, (value: number) => number>> = {
  float: Math.fround,
  float16: (value) => fromFloat16(toFloat16(value)),
  bfloat16: roundBfloat16,
};

/** A threshold that a person gave for probabilities is one. @throws ConfigError */
export function refuseThreshold(kind: Predictions['kind'], threshold: Predictions['threshold'] | undefined): void {
  const outside = [threshold ?? []].flat().find((each) => each < 0 || each > 1);
  if (kind !== 'probability' || outside === undefined) return;
  throw new ConfigError({
    found: `the threshold is ${outside}, but the scores are probabilities`,
    expected: 'a threshold from 0 to 1',
    remedy: 'Correct it, or state that the scores are raw: {uri, transform: none, threshold}',
  });
}

/** ONNX's name of the narrowest of float and double that holds every score. */
export function scoreType(scores: Float64Array): 'float' | 'double' {
  for (let index = 0; index < scores.length; index += 1) {
    if (Math.fround(scores[index] as number) !== scores[index]) return 'double';
  }
  return 'float';
}
