import { Type, type Static } from 'typebox';
import { bytesPattern, Column, Quantity, Severity, strict } from '../../config/forms.ts';
import { ModelReference, type Model } from '../../config/schema.ts';

/** A ratio of candidate to champion that may not be exceeded. */
const RatioGate = (what: string) =>
  Type.Optional(
    Type.Object(
      {
        max: Type.Number({ exclusiveMinimum: 0, description: `the largest ${what}, candidate / champion` }),
        severity: Type.Optional(Severity),
      },
      strict,
    ),
  );
const BytesGate = (what: string) =>
  Type.Optional(
    Type.Object(
      {
        max: Type.String({ ...bytesPattern, description: `the largest ${what} of the candidate, such as 50MiB` }),
        severity: Type.Optional(Severity),
      },
      strict,
    ),
  );
const Share = (description: string) => Type.Optional(Type.Number({ exclusiveMinimum: 0, maximum: 1, description }));

/** How a model behaves beside being right: what it costs to run, what it looks at, and how it takes data that are not as they were. */
export const Behaviour = Type.Object(
  {
    rows: Type.Optional(
      Type.Integer({
        minimum: 10,
        maximum: 100_000,
        description:
          'rows of the evaluation set that are used, drawn at random (default 1000); agreement uses them all',
      }),
    ),
    efficiency: Type.Optional(
      Type.Object(
        {
          size: BytesGate('file'),
          size_ratio: RatioGate('size of the file'),
          memory: BytesGate('peak resident memory'),
          memory_ratio: RatioGate('peak resident memory'),
          latency_ratio: RatioGate('time for one row'),
          batch_latency_ratio: RatioGate('time for a batch'),
          load_ratio: RatioGate('time to load the model'),
          batch: Type.Optional(
            Type.Integer({ minimum: 2, maximum: 8192, description: 'rows of a batch (default 256)' }),
          ),
          blocks: Type.Optional(
            Type.Integer({
              minimum: 20,
              maximum: 500,
              description: 'paired measurements of latency, divided among the pairs of processes (default 30)',
            }),
          ),
          starts: Type.Optional(
            Type.Integer({
              minimum: 3,
              maximum: 50,
              description: 'pairs of fresh processes over which latency, memory and load time are measured (default 8)',
            }),
          ),
        },
        { ...strict, description: 'size, latency, memory and load time, as ratios to the champion with intervals' },
      ),
    ),
    importance: Type.Optional(
      Type.Object(
        {
          repeats: Type.Optional(
            Type.Integer({ minimum: 3, maximum: 100, description: 'permutations of each feature (default 5)' }),
          ),
          features: Type.Optional(
            Type.Array(Column, { minItems: 1, description: 'features to permute (default: all, at most 200)' }),
          ),
          metric: Type.Optional(Type.String({ minLength: 1, description: 'default: that of policy.primary' })),
          max_shift: Type.Optional(
            Type.Number({
              exclusiveMinimum: 0,
              maximum: 1,
              description: 'largest share of importance that may move to other features',
            }),
          ),
          severity: Type.Optional(Severity),
        },
        {
          ...strict,
          description: 'permutation importance of both models and its shift; advice unless max_shift is set',
        },
      ),
    ),
    robustness: Type.Optional(
      Type.Object(
        {
          noise: Type.Optional(
            Type.Number({
              exclusiveMinimum: 0,
              maximum: 10,
              description: 'normal noise on numeric features, in standard deviations of the column',
            }),
          ),
          missing: Share('share of the values set to missing, for inputs that allow missing values'),
          unseen_categories: Share('share of the texts replaced by a category that no model has seen'),
          columns: Type.Optional(Type.Array(Column, { minItems: 1, description: 'change only these features' })),
          metric: Type.Optional(Type.String({ minLength: 1, description: 'default: that of policy.primary' })),
          margin: Type.Optional(
            Quantity({
              minimum: 0,
              description: 'how much more of the metric the candidate may lose than the champion',
            }),
          ),
          max_flip_rate: Type.Optional(
            Quantity({
              minimum: 0,
              description: 'largest share of decisions of the candidate that change',
            }),
          ),
          severity: Type.Optional(Severity),
        },
        {
          ...strict,
          description: 'effect of small changes of the data on both models; advice without margin or max_flip_rate',
        },
      ),
    ),
    agreement: Type.Optional(
      Type.Object(
        {
          with: ModelReference,
          min_label_agreement: Type.Optional(
            Quantity({ minimum: 0, description: 'minimum share of rows with the same decision' }),
          ),
          max_score_difference: Type.Optional(
            Type.Number({ minimum: 0, description: 'largest allowed difference of any score' }),
          ),
          severity: Type.Optional(Severity),
        },
        {
          ...strict,
          description:
            'compare the candidate (quantised, pruned, converted) with the model it was made from: champion, or a model',
        },
      ),
    ),
  },
  { ...strict, minProperties: 1 },
);
export type Behaviour = Static<typeof Behaviour>;

/** What a model asks of the stage. */
export function behaviourSettings(model: Model & { behaviour?: Behaviour }): Behaviour | undefined {
  return model.behaviour;
}
