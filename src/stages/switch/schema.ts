import { Type, type Static } from 'typebox';
import { strict } from '../../config/forms.ts';
import type { Model } from '../../config/schema.ts';
import { protocols } from '../../config/staging.ts';
import { Time, trafficKeys } from '../traffic.ts';

const Url = Type.String({ pattern: '^https?://' });

export const Switch = Type.Object(
  {
    green: Type.Object(
      {
        url: Type.String({
          pattern: '^https?://',
          description: 'the candidate as it is served, up to what the protocol adds: as staging.url',
        }),
        protocol: Type.Optional(
          Type.Enum([...protocols], { description: 'as staging.protocol (default open-inference)' }),
        ),
        path: Type.Optional(Type.String({ pattern: '^/' })),
        health: Type.Optional(Type.String({ pattern: '^/' })),
        rate: Type.Optional(
          Type.Number({
            exclusiveMinimum: 0,
            maximum: 1000,
            description: 'requests a second of the checks (default 20)',
          }),
        ),
        duration: Type.Optional(Time),
        p95_ms: Type.Optional(
          Type.Number({ exclusiveMinimum: 0, description: 'most of the checks (default: no limit)' }),
        ),
      },
      {
        ...strict,
        description: 'checked before any traffic is on it: health, answers equal to the predictions, a little load',
      },
    ),
    blue: Type.Optional({ ...Url, description: 'answers below 400 while the champion is up; asked at each look' }),
    watch_time: {
      ...Time,
      description: 'green is watched with all of the traffic, and held against blue in the same time before',
    },
    min_requests: Type.Integer({ minimum: 1, description: 'of each version, before and after the switch' }),
    keep_blue: { ...Time, description: 'blue stays up so long after the promotion, for contender switch --back' },
    ...trafficKeys,
  },
  strict,
);
export type Switch = Static<typeof Switch>;

/** What a model asks of the stage. */
export function switchSettings(model: Model & { switch?: Switch }): Switch | undefined {
  return model.switch;
}

/** Between two looks: harm is seen within this. */
export const defaultPoll = '10s';
