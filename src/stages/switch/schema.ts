import type { Static } from 'typebox';
import { Closed, Matching, Optional, Part, Type } from '../../forms.ts';
import { settingsAt } from '../../config/schema.ts';
import { protocols } from '../../config/staging.ts';
import { Time, trafficKeys } from '../traffic.ts';

const Url = Type.String({ pattern: '^https?://' });

export const Switch = Closed({
  green: Part('checked before any traffic is on it: health, answers equal to the predictions, a little load', {
    url: Matching('^https?://', 'the candidate as it is served, up to what the protocol adds: as staging.url'),
    protocol: Optional.Choice(protocols, 'as staging.protocol (default open-inference)'),
    path: Type.Optional(Type.String({ pattern: '^/' })),
    health: Type.Optional(Type.String({ pattern: '^/' })),
    rate: Optional.Number('requests a second of the checks (default 20)', { exclusiveMinimum: 0, maximum: 1000 }),
    duration: Type.Optional(Time),
    p95_ms: Optional.Number('most of the checks (default: no limit)', { exclusiveMinimum: 0 }),
  }),
  blue: Type.Optional({ ...Url, description: 'answers below 400 while the champion is up; asked at each look' }),
  watch_time: {
    ...Time,
    description: 'green is watched with all of the traffic, and held against blue in the same time before',
  },
  min_requests: Type.Integer({ minimum: 1, description: 'of each version, before and after the switch' }),
  keep_blue: { ...Time, description: 'blue stays up so long after the promotion, for contender switch --back' },
  ...trafficKeys,
});
export type Switch = Static<typeof Switch>;

export const switchSettings = settingsAt<Switch>('switch');

/** Between two looks: harm is seen within this. */
export const defaultPoll = '10s';
