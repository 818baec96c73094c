import type { Static } from 'typebox';
import { Closed, Matching, Optional, Text, Type } from '../../forms.ts';
import { CaptureKey, Column, OptionalQuantity, Severity } from '../../config/forms.ts';
import { settingsAt } from '../../config/schema.ts';

const Url = Matching('^https?://', 'full address ending in /infer, of the Open Inference Protocol v2');

export const Shadow = Closed({
  log: Optional.Text('CSV, JSONL or Parquet of mirrored requests, with one row for each answer'),
  format: CaptureKey,
  replay: Optional.Part('send requests to both versions, and to the champion a second time', {
    requests: Text('JSONL, CSV or Parquet of logged requests, with an id and the request body'),
    body: Optional.Text('column of the request body, as JSON (default body)'),
    champion: Url,
    candidate: Url,
    limit: Optional.Integer('number of requests to replay (default 2000)', { minimum: 1 }),
  }),
  columns: Optional.Part('names of the columns, if they differ from the defaults', {
    id: Type.Optional(Column),
    arm: Type.Optional(Column),
    score: Type.Optional(Column),
    label: Type.Optional(Column),
    ms: Type.Optional(Column),
    status: Type.Optional(Column),
  }),
  arms: Optional.Closed({ champion: Type.String({ minLength: 1 }), candidate: Type.String({ minLength: 1 }) }),
  threshold: Optional.Number('score from which a decision is positive, if there are no labels (default 0.5)'),
  min_requests: Optional.Integer('minimum number of requests answered by both (default 100)', { minimum: 1 }),
  max_disagreement: OptionalQuantity('largest share of requests with a different decision', { minimum: 0 }),
  max_score_shift: Optional.Number('largest change of the mean score, in either direction', { exclusiveMinimum: 0 }),
  max_latency_ratio: Type.Optional(Type.Number({ exclusiveMinimum: 0 })),
  max_error_rate: OptionalQuantity('largest share of requests on which the candidate may fail', { minimum: 0 }),
  severity: Type.Optional(Severity),
  slices: Optional.List(Column, 'columns of the log for which results are shown by value'),
  sample: Optional.Integer('number of disagreements to write to a file for labelling (default 100)', { minimum: 0 }),
  labels: Optional.Part('labels that became known later, joined by id', {
    file: Type.String({ minLength: 1 }),
    id: Type.Optional(Column),
    label: Type.Optional(Column),
  }),
});
export type Shadow = Static<typeof Shadow>;

export const shadowSettings = settingsAt<Shadow>('shadow');

/** The file of disagreements to be labelled, in the output folder. */
export const sampleFile = 'shadow-disagreements.csv';
