import { normalPair, type Random } from '../src/statistics/random.ts';
import { floats, graph, model, node, tensor, valueInfo } from '../test/model/onnx-builder.ts';

/* Logistic regression, trained here and written as ONNX: a model for demos and tests that ages like real ones. */

export interface Example {
  x: readonly number[];
  /** 0 or 1. */
  label: number;
}

/** One for each feature, and the intercept. */
export type Weights = readonly number[];

/** By gradient descent. */
export function trainLogistic(rows: readonly Example[]): Weights {
  const weights = new Array<number>((rows[0]?.x.length ?? 0) + 1).fill(0);
  for (let step = 0; step < 300; step++) {
    const gradient = weights.map(() => 0);
    for (const { x, label } of rows) {
      const error = probabilityOf(weights, x) - label;
      for (let each = 0; each < weights.length; each++)
        gradient[each] = (gradient[each] as number) + error * (x[each] ?? 1);
    }
    for (const [each, slope] of gradient.entries())
      weights[each] = (weights[each] as number) - (2 * slope) / rows.length;
  }
  return weights;
}

export function probabilityOf(weights: Weights, x: readonly number[]): number {
  return sigmoid(weights.reduce((sum, weight, each) => sum + weight * (x[each] ?? 1), 0));
}

export function sigmoid(z: number): number {
  return 1 / (1 + Math.exp(-z));
}

/** Independent standard normal values. */
export function normals(random: Random, count: number): number[] {
  const pair = new Float64Array(2);
  return Array.from({ length: count }, (_, each) => {
    if (each % 2 === 0) normalPair(random, pair);
    return pair[each % 2] as number;
  });
}

/** sigmoid(features x weights + intercept). */
export function logisticModel(weights: Weights): Uint8Array {
  return written(weights, [node('Sigmoid', ['sum'], ['probability'])], 'probability');
}

/** The same without the sigmoid: for regression. */
export function linearModel(weights: Weights): Uint8Array {
  return written(weights, [], 'sum');
}

function written(weights: Weights, more: readonly Uint8Array[], output: string): Uint8Array {
  const count = weights.length - 1;
  return model(
    graph({
      nodes: [
        node('MatMul', ['features', 'weights'], ['product']),
        node('Add', ['product', 'intercept'], ['sum']),
        ...more,
      ],
      initializers: [
        tensor('weights', 'float', [count, 1], floats(...weights.slice(0, count))),
        tensor('intercept', 'float', [1], floats(weights[count] as number)),
      ],
      inputs: [valueInfo('features', 'float', ['N', count])],
      outputs: [valueInfo(output, 'float', ['N', 1])],
    }),
  );
}
