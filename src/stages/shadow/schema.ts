import type { Static } from 'typebox';
import { Closed, Matching, Optional, Text, Type } from '../../forms.ts';
import { CaptureKey, Column, OptionalQuantity, Severity } from '../../config/forms.ts';
import { settingsAt } from '../../config/schema.ts';

const Url = Matching('^https?://', 'up to and with /infer, of the Open Inference Protocol v2');

export const Shadow = Closed({
  log: Optional.Text('CSV, JSONL or Parquet of mirrored requests: a row for each answer'),
  format: CaptureKey,
  replay: Optional.Part('the requests are sent to both, and to the champion once more', {
    requests: Text('JSONL, CSV or Parquet of logged requests: an id, and the body that was sent'),
    body: Optional.Text('column of the body, as JSON (default body)'),
    champion: Url,
    candidate: Url,
    limit: Optional.Integer('requests that are replayed (default 2000)', { minimum: 1 }),
  }),
  columns: Optional.Part('where they have other names', {
    id: Type.Optional(Column),
    arm: Type.Optional(Column),
    score: Type.Optional(Column),
    label: Type.Optional(Column),
    ms: Type.Optional(Column),
    status: Type.Optional(Column),
  }),
  arms: Optional.Closed({ champion: Type.String({ minLength: 1 }), candidate: Type.String({ minLength: 1 }) }),
  threshold: Optional.Number('score from which on a decision is positive, without labels (default 0.5)'),
  min_requests: Optional.Integer('answered by both (default 100)', { minimum: 1 }),
  max_disagreement: OptionalQuantity('share of requests that may be decided otherwise', { minimum: 0 }),
  max_score_shift: Optional.Number('of the mean score, either way', { exclusiveMinimum: 0 }),
  max_latency_ratio: Type.Optional(Type.Number({ exclusiveMinimum: 0 })),
  max_error_rate: OptionalQuantity('share of requests that the candidate may fail', { minimum: 0 }),
  severity: Type.Optional(Severity),
  slices: Optional.List(Column, 'columns of the log: shown by value'),
  sample: Optional.Integer('disagreements that are written out to be labelled (default 100)', { minimum: 0 }),
  labels: Optional.Part('labels that came later, joined by id', {
    file: Type.String({ minLength: 1 }),
    id: Type.Optional(Column),
    label: Type.Optional(Column),
  }),
});
export type Shadow = Static<typeof Shadow>;

export const shadowSettings = settingsAt<Shadow>('shadow');

/** The file of disagreements to be labelled, in the output folder. */
export const sampleFile = 'shadow-disagreements.csv';
