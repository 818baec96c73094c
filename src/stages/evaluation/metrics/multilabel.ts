import type { Task } from '../../../config/schema.ts';
import { decisionsOf, scoresOf, type Outputs, type Sample } from '../sample.ts';
import { averagedArea, precisionCurve, rankClass, rocCurve, type Curve, type RankedClass } from './averaged-areas.ts';
import { addLabelCounts, averaged, jaccard, mean, micro, perLabel, type LabelValue } from './label-counts.ts';
import { clippedLog } from './losses.ts';
import type { Metric, Untitled } from './metric.ts';
import { rankScores, type Ranked } from './ranked.ts';
import { listPrecision, rankedList, type RankedList } from './ranking.ts';

const tasks: readonly Task[] = ['multilabel-classification'];
const share = { better: 'higher', scale: 'share', tasks } as const;
const ofDecisions = { ...share, needs: 'decisions' } as const;
const ofScores = { ...share, needs: 'scores' } as const;

const decisionMetrics: Untitled[] = [
  {
    ...ofDecisions,
    kind: 'proportion',
    name: 'subset_accuracy',
    successes: (sample, outputs) => Int8Array.from(wrongLabels(sample, outputs), (wrong) => (wrong === 0 ? 1 : 0)),
  },
  {
    ...ofDecisions,
    better: 'lower',
    kind: 'moments',
    name: 'hamming_loss',
    terms: (sample, outputs) => {
      const { labels = 1 } = sample;
      return [wrongLabels(sample, outputs).map((wrong) => wrong / labels)];
    },
  },
  ...[...averaged, { name: 'jaccard', value: jaccard, onRequest: true as const }].flatMap(
    ({ name, value, ...usual }): Untitled[] => {
      const common = { ...ofDecisions, ...usual };
      return [
        countsMetric({ ...common, name: `${name}_micro` }, (counts) => micro(counts, value)),
        countsMetric({ ...common, name: `${name}_macro` }, (counts) => mean(counts, value, false)),
        countsMetric({ ...common, onRequest: true, name: `${name}_weighted` }, (counts) => mean(counts, value, true)),
        {
          ...(name === 'jaccard' ? ofDecisions : common),
          kind: 'moments',
          name: `${name}_samples`,
          terms: (sample, outputs) => [rowCounts(sample, outputs, value)],
        },
      ];
    },
  ),
];

const scoreMetrics: Untitled[] = [
  ...curveMetrics('roc_auc', rocCurve, true),
  ...curveMetrics('average_precision', precisionCurve, false),
  {
    ...ofScores,
    kind: 'moments',
    name: 'label_ranking_average_precision',
    // Where every order is as good, as scikit-learn: 1.
    terms: (sample, outputs) => [rowLists(sample, outputs, (list, having) => (having === 0 ? 1 : listPrecision(list)))],
  },
  {
    ...ofScores,
    better: 'lower',
    kind: 'moments',
    name: 'ranking_loss',
    terms: (sample, outputs) => [rowLists(sample, outputs, rankingLoss)],
  },
  {
    better: 'lower',
    scale: 'value',
    needs: 'scores',
    tasks,
    kind: 'moments',
    name: 'coverage_error',
    terms: (sample, outputs) => [rowLists(sample, outputs, coverage)],
  },
  probabilityLoss('log_loss', (probability, truth) => clippedLog(truth === 1 ? probability : 1 - probability)),
  probabilityLoss('brier', (probability, truth) => (probability - truth) ** 2),
];

/** Metrics of multilabel classification; those of one label are the binary ones of its column: `recall[spam]`. */
export const multilabelMetrics: readonly Untitled[] = [...decisionMetrics, ...scoreMetrics];

type Named = Pick<Metric, 'name' | 'better' | 'scale' | 'needs' | 'tasks' | 'onRequest'>;

function countsMetric(named: Named, value: (counts: Float64Array) => number): Untitled {
  return { ...named, kind: 'counts', width: ({ labels = 1 }) => labels * perLabel, add: addLabelCounts, value };
}

/** A mean over rows of the mean over labels of a loss. */
function probabilityLoss(name: string, loss: (probability: number, truth: number) => number): Untitled {
  return {
    better: 'lower',
    scale: 'value',
    needs: 'probabilities',
    tasks,
    kind: 'moments',
    name,
    terms: (sample, outputs) => {
      const scores = scoresOf(outputs);
      const { truth, labels = 1 } = sample;
      const losses = new Float64Array(sample.rows);
      for (let at = 0; at < scores.length; at += 1) {
        losses[Math.floor(at / labels)]! += loss(scores[at] as number, truth[at] as number) / labels;
      }
      return [losses];
    },
  };
}

/** The area under a curve: of each label and averaged, or of all pairs of row and label as if they were rows. */
function curveMetrics(name: string, curve: Curve, bothSides: boolean): Untitled[] {
  const undefinedOn = (sample: Sample): string | null => {
    const label = sample.names?.findIndex((_, number) => {
      const values = labelColumn(sample, sample.truth, number);
      return !values.includes(1) || (bothSides && !values.includes(0));
    });
    return label === undefined || label < 0
      ? null
      : `the label ${JSON.stringify(sample.names?.[label])} has the same value in every row`;
  };
  const common = { ...ofScores, kind: 'statistic' } as const;
  return [
    ...[false, true].map((weighted): Untitled => ({
      ...common,
      ...(weighted ? { onRequest: true } : {}),
      name: `${name}_${weighted ? 'weighted' : 'macro'}`,
      ...averagedArea(rankLabels, curve, weighted),
      undefinedOn,
    })),
    {
      ...common,
      name: `${name}_micro`,
      prepare: (sample, outputs) => {
        const ranked = rankPairs(sample, outputs);
        return (weights) => curve.area(ranked, spread(sample, weights));
      },
      influence: (sample, outputs) => {
        const { labels = 1 } = sample;
        const influence = new Float64Array(sample.rows);
        const ofPairs = curve.influence(rankPairs(sample, outputs), spread(sample, sample.weights));
        for (let at = 0; at < ofPairs.length; at += 1) {
          influence[Math.floor(at / labels)]! += (ofPairs[at] as number) / labels;
        }
        return influence;
      },
      undefinedOn: ({ truth }) =>
        !truth.includes(1)
          ? 'no row has a label'
          : bothSides && !truth.includes(0)
            ? 'every row has every label'
            : null,
    },
  ];
}

/** Every pair of a row and a label as a row of its own. */
function rankPairs(sample: Sample, outputs: Outputs): Ranked {
  return rankScores(scoresOf(outputs), sample.truth);
}

/** The weight of its row for every label. */
function spread({ truth, labels = 1 }: Sample, weights: Float64Array | null): Float64Array | null {
  return weights === null ? null : truth.map((_, at) => weights[Math.floor(at / labels)] as number);
}

function rankLabels(sample: Sample, outputs: Outputs): RankedClass[] {
  return Array.from({ length: sample.labels ?? 1 }, (_, label) =>
    rankClass(labelColumn(sample, sample.truth, label), labelColumn(sample, scoresOf(outputs), label)),
  );
}

function labelColumn({ rows, labels = 1 }: Sample, values: Float64Array, label: number): Float64Array {
  return Float64Array.from({ length: rows }, (_, row) => values[row * labels + label] as number);
}

/** Labels decided wrong, by row. */
function wrongLabels(sample: Sample, outputs: Outputs): Float64Array {
  const decisions = decisionsOf(outputs);
  const { truth, labels = 1 } = sample;
  const wrong = new Float64Array(sample.rows);
  for (let at = 0; at < truth.length; at += 1) if (decisions[at] !== truth[at]) wrong[Math.floor(at / labels)]! += 1;
  return wrong;
}

/** A value of each row's own counts. */
function rowCounts(sample: Sample, outputs: Outputs, value: LabelValue): Float64Array {
  const decisions = decisionsOf(outputs);
  const { truth, labels = 1 } = sample;
  return Float64Array.from({ length: sample.rows }, (_, row) => {
    let [hits, given, having] = [0, 0, 0];
    for (let at = row * labels; at < (row + 1) * labels; at += 1) {
      if (truth[at] === 1 && decisions[at] === 1) hits += 1;
      if (decisions[at] === 1) given += 1;
      if (truth[at] === 1) having += 1;
    }
    return value(hits, given, having);
  });
}

/** A value of the labels of each row in the order of their scores. */
function rowLists(sample: Sample, outputs: Outputs, value: (list: RankedList, having: number) => number): Float64Array {
  const scores = scoresOf(outputs);
  const { truth, labels = 1 } = sample;
  return Float64Array.from({ length: sample.rows }, (_, row) => {
    const own = truth.subarray(row * labels, (row + 1) * labels);
    const list = rankedList(scores.subarray(row * labels, (row + 1) * labels), own);
    return value(
      list,
      own.reduce((sum, each) => sum + each, 0),
    );
  });
}

/** Share of the pairs of a label the row has and one it has not that are in the wrong order; ties are wrong, as in scikit-learn. */
function rankingLoss({ relevance, ends }: RankedList, having: number): number {
  const pairs = having * (relevance.length - having);
  if (pairs === 0) return 0;
  let wrong = 0;
  let before = 0;
  let start = 0;
  for (const end of ends) {
    const hits = relevance.subarray(start, end).reduce((sum, each) => sum + each, 0);
    const misses = end - start - hits;
    before += misses;
    wrong += hits * before;
    start = end;
  }
  return wrong / pairs;
}

/** How far down the list one must go to see every label of the row; ties have the last of their ranks, as in scikit-learn. */
function coverage({ relevance, ends }: RankedList): number {
  const last = relevance.lastIndexOf(1);
  return last < 0 ? 0 : (ends.find((end) => end > last) as number);
}
