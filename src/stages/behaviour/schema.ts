import type { Static } from 'typebox';
import { Optional, Type } from '../../forms.ts';
import { bytesPattern, Column, OptionalQuantity, Severity, strict } from '../../config/forms.ts';
import { ModelReference, settingsAt } from '../../config/schema.ts';

/** A ratio of candidate to champion that may not be exceeded. */
const RatioGate = (what: string) =>
  Optional.Closed({
    max: Type.Number({ exclusiveMinimum: 0, description: `the largest ${what}, candidate / champion` }),
    severity: Type.Optional(Severity),
  });
const BytesGate = (what: string) =>
  Optional.Closed({
    max: Type.String({ ...bytesPattern, description: `the largest ${what} of the candidate, such as 50MiB` }),
    severity: Type.Optional(Severity),
  });
const Share = (description: string) => Optional.Number(description, { exclusiveMinimum: 0, maximum: 1 });

/** How a model behaves beside being right: what it costs to run, what it looks at, and how it takes data that are not as they were. */
export const Behaviour = Type.Object(
  {
    rows: Optional.Integer(
      'number of random rows of the evaluation set to use (default 1000); agreement uses all rows',
      { minimum: 10, maximum: 100_000 },
    ),
    efficiency: Optional.Part(
      'size, latency, memory and load time, as ratios to the champion with confidence intervals',
      {
        size: BytesGate('file'),
        size_ratio: RatioGate('size of the file'),
        memory: BytesGate('peak resident memory'),
        memory_ratio: RatioGate('peak resident memory'),
        latency_ratio: RatioGate('time for one row'),
        batch_latency_ratio: RatioGate('time for a batch'),
        load_ratio: RatioGate('time to load the model'),
        batch: Optional.Integer('batch size in rows (default 256)', { minimum: 2, maximum: 8192 }),
        blocks: Optional.Integer(
          'number of paired latency measurements, distributed over the pairs of processes (default 30)',
          {
            minimum: 20,
            maximum: 500,
          },
        ),
        starts: Optional.Integer(
          'number of pairs of new processes in which latency, memory and load time are measured (default 8)',
          { minimum: 3, maximum: 50 },
        ),
      },
    ),
    importance: Optional.Part('permutation importance of the features of both models; advice unless max_shift is set', {
      repeats: Optional.Integer('number of permutations of each feature (default 5)', { minimum: 3, maximum: 100 }),
      features: Optional.List(Column, 'features to permute (default: all, at most 200)', { minItems: 1 }),
      metric: Optional.Text('metric (default: that of policy.primary)'),
      max_shift: Optional.Number('largest share of importance that may move to other features', {
        exclusiveMinimum: 0,
        maximum: 1,
      }),
      severity: Type.Optional(Severity),
    }),
    robustness: Optional.Part(
      'effect of small changes of the data on both models; advice unless margin or max_flip_rate is set',
      {
        noise: Optional.Number('Gaussian noise on numeric features, in standard deviations of the column', {
          exclusiveMinimum: 0,
          maximum: 10,
        }),
        missing: Share('share of values set to missing, for inputs that allow missing values'),
        unseen_categories: Share('share of texts replaced by a category that no model has seen'),
        columns: Optional.List(Column, 'change only these features', { minItems: 1 }),
        metric: Optional.Text('metric (default: that of policy.primary)'),
        margin: OptionalQuantity('largest tolerated loss of the metric beyond that of the champion', {
          minimum: 0,
        }),
        max_flip_rate: OptionalQuantity('largest allowed share of changed decisions of the candidate', { minimum: 0 }),
        severity: Type.Optional(Severity),
      },
    ),
    agreement: Optional.Part(
      'compare a quantised, pruned or converted candidate with its original model: champion, or a model',
      {
        with: ModelReference,
        min_label_agreement: OptionalQuantity('minimum share of rows with the same decision', { minimum: 0 }),
        max_score_difference: Optional.Number('largest allowed difference of any score', { minimum: 0 }),
        severity: Type.Optional(Severity),
      },
    ),
  },
  { ...strict, minProperties: 1 },
);
export type Behaviour = Static<typeof Behaviour>;

export const behaviourSettings = settingsAt<Behaviour>('behaviour');
