import { Type } from '../../forms.ts';
import { milliseconds } from '../../config/units.ts';
import type { Model, Problem } from '../../config/index.ts';
import type { Stage } from '../stage.ts';
import { trafficPlace, trafficProblems } from '../traffic.ts';
import { trafficSections } from '../traffic-sections.ts';
import { Rollout, rolloutSettings } from './schema.ts';

/** Lets a candidate out step by step, and takes it back on harm. Its evidence grows with the steps. */
export const rollout: Stage = {
  kind: 'rollout',
  title: 'Rollout',
  reportOrder: 34,
  command: {
    name: 'rollout',
    summary: 'Roll out the candidate step by step, check each step, and roll it back on harm.',
    examples: ['contender rollout', 'contender rollout --put-back --if-expired'],
  },
  action: 'rollout',
  page: 'docs/rollout.md',
  keys: { model: { rollout: Type.Optional(Rollout) } },
  problems,
  needs: 'traffic',
  enabled: (model) => rolloutSettings(model) !== undefined,
  absent: {
    found: 'there is no rollout section',
    remedy: 'Add rollout: {steps, step_time, max_step_time, min_requests, weights, observe, guardrails}',
  },
  required: (model) => rolloutSettings(model) !== undefined,
  whereOf: (name, model) =>
    trafficPlace('rollout', rolloutSettings(model), name) ?? ['rollout', name.startsWith('step') ? 'steps' : 'weights'],
  sections: (evidence) => trafficSections('Rollout', 'Steps of the rollout', evidence),
};

/** What a schema cannot say. */
function problems(model: Model): Problem[] {
  const settings = rolloutSettings(model);
  if (settings === undefined) return [];
  const { steps, step_time: least, max_step_time: most, weights } = settings;
  const found: Problem[] = [];
  const problem = (pointer: string, key: string, message: string): void => {
    found.push({ pointer: `/rollout/${pointer}`, key, message });
  };
  if (steps.some((weight, index) => index > 0 && weight <= (steps[index - 1] as number))) {
    problem('steps', 'steps', 'each step must be larger than the one before it');
  }
  if ('yaml' in weights && steps.some((weight) => !Number.isInteger(weight))) {
    problem('steps', 'steps', 'Istio, the Gateway API and KServe accept only whole numbers as weights');
  }
  if ('proxy' in weights && steps.some((weight) => Number(weight.toFixed(2)) !== weight)) {
    problem('steps', 'steps', `${weights.proxy} accepts hundredths of a percent at most`);
  }
  if (milliseconds(most) <= milliseconds(least)) {
    problem('max_step_time', 'max_step_time', 'max_step_time must be longer than step_time');
  }
  return [...found, ...trafficProblems('rollout', settings)];
}
