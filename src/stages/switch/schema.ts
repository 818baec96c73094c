import type { Static } from 'typebox';
import { Closed, Matching, Optional, Part, Type } from '../../forms.ts';
import { settingsAt } from '../../config/schema.ts';
import { protocols } from '../../config/staging.ts';
import { Time, trafficKeys } from '../traffic.ts';

const Url = Type.String({ pattern: '^https?://' });

export const Switch = Closed({
  green: Part(
    'the candidate (green), checked before it gets traffic: health, answers equal to the predictions, a light load',
    {
      url: Matching('^https?://', 'base address of the served candidate, as staging.url'),
      protocol: Optional.Choice(protocols, 'protocol, as staging.protocol (default open-inference)'),
      path: Type.Optional(Type.String({ pattern: '^/' })),
      health: Type.Optional(Type.String({ pattern: '^/' })),
      rate: Optional.Number('requests per second of the checks (default 20)', { exclusiveMinimum: 0, maximum: 1000 }),
      duration: Type.Optional(Time),
      p95_ms: Optional.Number('largest p95 latency in the checks (default: no limit)', { exclusiveMinimum: 0 }),
    },
  ),
  blue: Type.Optional({
    ...Url,
    description:
      'address of the champion (blue) that answers with a status below 400 while it is up; requested at each look',
  }),
  watch_time: {
    ...Time,
    description: 'time for which green is monitored with all traffic; it is compared with blue in the same time before',
  },
  min_requests: Type.Integer({
    minimum: 1,
    description: 'minimum number of requests of each version, before and after the switch',
  }),
  keep_blue: { ...Time, description: 'time for which blue stays up after the promotion, for contender switch --back' },
  ...trafficKeys,
});
export type Switch = Static<typeof Switch>;

export const switchSettings = settingsAt<Switch>('switch');

/** Between two looks: harm is seen within this. */
export const defaultPoll = '10s';
