import type { Static } from 'typebox';
import { Closed, List, Type } from '../../forms.ts';
import { settingsAt } from '../../config/schema.ts';
import { Time, trafficKeys } from '../traffic.ts';

export const Rollout = Closed({
  steps: List(
    Type.Number({ exclusiveMinimum: 0, exclusiveMaximum: 100 }),
    'share of the traffic in percent, rising; 100 follows when the candidate is promoted',
    { minItems: 1 },
  ),
  step_time: Time,
  max_step_time: Time,
  min_requests: Type.Integer({ minimum: 1, description: 'minimum number of requests of the candidate at each step' }),
  ...trafficKeys,
});
export type Rollout = Static<typeof Rollout>;

export const rolloutSettings = settingsAt<Rollout>('rollout');
