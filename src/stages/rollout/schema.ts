import { Type, type Static } from 'typebox';
import { Closed, List } from '../../forms.ts';
import type { Model } from '../../config/schema.ts';
import { Time, trafficKeys } from '../traffic.ts';

export const Rollout = Closed({
  steps: List(
    Type.Number({ exclusiveMinimum: 0, exclusiveMaximum: 100 }),
    'percent of the traffic, rising. 100 follows when the candidate is promoted',
    { minItems: 1 },
  ),
  step_time: Time,
  max_step_time: Time,
  min_requests: Type.Integer({ minimum: 1, description: 'of the candidate, at each step' }),
  ...trafficKeys,
});
export type Rollout = Static<typeof Rollout>;

/** What a model asks of the stage. */
export function rolloutSettings(model: Model & { rollout?: Rollout }): Rollout | undefined {
  return model.rollout;
}
