import type { Task } from '../../../config/schema.ts';
import { classPosition } from '../../../data/class-text.ts';
import { scoresOf, type Outputs, type Sample } from '../sample.ts';
import type { Metric } from './metric.ts';

const tasks: readonly Task[] = ['multiclass-classification', 'multilabel-classification'];

/**
 * A binary metric of one class against the rest, or of one label: `recall[spam]`. Undefined for any other name.
 * @param binary the metrics of binary classification
 */
export function oneAgainstRest(name: string, binary: readonly Metric[]): Metric | undefined {
  const [, base, label = ''] = /^([a-z0-9_.]+)\[(.{1,200})\]$/u.exec(name) ?? [];
  // Averages over both classes are of the binary task alone.
  const of = binary.find((metric) => metric.name === base && !/_(?:macro|micro|weighted)$|_confidence/u.test(base));
  if (of === undefined) return undefined;
  const view = (sample: Sample): Sample => binarySample(sample, label);
  return {
    kind: 'view',
    of,
    name,
    title: `${of.title} of ${label}`,
    better: of.better,
    scale: of.scale,
    needs: of.needs,
    tasks,
    sample: view,
    outputs: (sample, outputs) => binaryOutputs(sample, outputs, label),
    undefinedOn: (sample) => {
      const what = sample.labels === undefined ? 'class' : 'label';
      if (numberOf(sample, label) < 0) return `there is no ${what} ${JSON.stringify(label)}`;
      const seen = view(sample);
      if (!seen.truth.includes(1)) return `no row is of ${what} ${JSON.stringify(label)}`;
      return of.undefinedOn?.(seen) ?? null;
    },
  };
}

function binarySample(sample: Sample, name: string): Sample {
  const number = numberOf(sample, name);
  const { rows, labels, weights, clusters } = sample;
  const truth =
    labels === undefined
      ? sample.truth.map((value) => (value === number ? 1 : 0))
      : Float64Array.from({ length: rows }, (_, row) => sample.truth[row * labels + number] as number);
  return { rows, classes: 2, names: [`not ${name}`, name], truth, weights, clusters };
}

function binaryOutputs(sample: Sample, outputs: Outputs, name: string): Outputs {
  const number = numberOf(sample, name);
  const { labels } = sample;
  const width = labels ?? sample.classes;
  const { decisions } = outputs;
  return {
    scores:
      outputs.scores === null
        ? null
        : Float64Array.from({ length: sample.rows }, (_, row) => scoresOf(outputs)[row * width + number] as number),
    probabilities: outputs.probabilities,
    decisions:
      decisions === null
        ? null
        : labels === undefined
          ? decisions.map((decision) => (decision === number ? 1 : 0))
          : Int32Array.from({ length: sample.rows }, (_, row) => decisions[row * labels + number] as number),
  };
}

function numberOf(sample: Sample, name: string): number {
  const { names, labels } = sample;
  if (names === null) return -1;
  return labels === undefined ? classPosition(name, names) : names.indexOf(name);
}
