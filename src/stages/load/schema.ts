import { Type, type Static } from 'typebox';
import { Duration, strict } from '../../config/forms.ts';
import type { Model } from '../../config/schema.ts';

export const Load = Type.Object(
  {
    profile: Type.Optional(
      Type.Object(
        {
          kind: Type.Optional(Type.Enum(['constant'], { description: 'requests at a constant rate' })),
          rate: Type.Number({ exclusiveMinimum: 0, maximum: 100000, description: 'requests per second' }),
          duration: Duration,
          arrivals: Type.Optional(Type.Enum(['constant', 'poisson'])),
          warmup: Type.Optional(Duration),
          connections: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
          rows_per_request: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
          timeout: Type.Optional(Duration),
        },
        strict,
      ),
    ),
    slo: Type.Object(
      {
        p50_ms: Type.Optional(Type.Number({ exclusiveMinimum: 0 })),
        p95_ms: Type.Optional(Type.Number({ exclusiveMinimum: 0 })),
        p99_ms: Type.Optional(Type.Number({ exclusiveMinimum: 0 })),
        error_rate: Type.Optional(Type.Number({ minimum: 0, maximum: 1 })),
        throughput: Type.Optional(
          Type.Number({
            minimum: 0,
            maximum: 1,
            description: 'minimum delivered share of the offered rate (default 0.98)',
          }),
        ),
        accuracy: Type.Optional(
          Type.Union([Type.Literal('parity'), Type.Number({ minimum: 0, maximum: 1 })], {
            description: 'parity: answers must equal the offline predictions; a number: minimum accuracy under load',
          }),
        ),
      },
      strict,
    ),
  },
  strict,
);
export type Load = Static<typeof Load>;

/** What a model asks of the stage. */
export function loadSettings(model: Model & { load?: Load }): Load | undefined {
  return model.load;
}
