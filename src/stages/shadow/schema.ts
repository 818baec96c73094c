import { Type, type Static } from 'typebox';
import { CaptureKey, Column, Quantity, Severity, strict } from '../../config/forms.ts';
import type { Model } from '../../config/schema.ts';

const Url = Type.String({
  pattern: '^https?://',
  description: 'up to and with /infer, of the Open Inference Protocol v2',
});

export const Shadow = Type.Object(
  {
    log: Type.Optional(
      Type.String({ minLength: 1, description: 'CSV, JSONL or Parquet of mirrored requests: a row for each answer' }),
    ),
    format: CaptureKey,
    replay: Type.Optional(
      Type.Object(
        {
          requests: Type.String({
            minLength: 1,
            description: 'JSONL, CSV or Parquet of logged requests: an id, and the body that was sent',
          }),
          body: Type.Optional(Type.String({ minLength: 1, description: 'column of the body, as JSON (default body)' })),
          champion: Url,
          candidate: Url,
          limit: Type.Optional(Type.Integer({ minimum: 1, description: 'requests that are replayed (default 2000)' })),
        },
        { ...strict, description: 'the requests are sent to both, and to the champion once more' },
      ),
    ),
    columns: Type.Optional(
      Type.Object(
        {
          id: Type.Optional(Column),
          arm: Type.Optional(Column),
          score: Type.Optional(Column),
          label: Type.Optional(Column),
          ms: Type.Optional(Column),
          status: Type.Optional(Column),
        },
        { ...strict, description: 'where they have other names' },
      ),
    ),
    arms: Type.Optional(
      Type.Object({ champion: Type.String({ minLength: 1 }), candidate: Type.String({ minLength: 1 }) }, strict),
    ),
    threshold: Type.Optional(
      Type.Number({ description: 'score from which on a decision is positive, without labels (default 0.5)' }),
    ),
    min_requests: Type.Optional(Type.Integer({ minimum: 1, description: 'answered by both (default 100)' })),
    max_disagreement: Type.Optional(
      Quantity({ minimum: 0, description: 'share of requests that may be decided otherwise' }),
    ),
    max_score_shift: Type.Optional(Type.Number({ exclusiveMinimum: 0, description: 'of the mean score, either way' })),
    max_latency_ratio: Type.Optional(Type.Number({ exclusiveMinimum: 0 })),
    max_error_rate: Type.Optional(
      Quantity({ minimum: 0, description: 'share of requests that the candidate may fail' }),
    ),
    severity: Type.Optional(Severity),
    slices: Type.Optional(Type.Array(Column, { description: 'columns of the log: shown by value' })),
    sample: Type.Optional(
      Type.Integer({ minimum: 0, description: 'disagreements that are written out to be labelled (default 100)' }),
    ),
    labels: Type.Optional(
      Type.Object(
        { file: Type.String({ minLength: 1 }), id: Type.Optional(Column), label: Type.Optional(Column) },
        { ...strict, description: 'labels that came later, joined by id' },
      ),
    ),
  },
  strict,
);
export type Shadow = Static<typeof Shadow>;

/** What a model asks of the stage. */
export function shadowSettings(model: Model & { shadow?: Shadow }): Shadow | undefined {
  return model.shadow;
}

/** The file of disagreements to be labelled, in the output folder. */
export const sampleFile = 'shadow-disagreements.csv';
