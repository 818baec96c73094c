import { Type } from 'typebox';
import { milliseconds } from '../../config/units.ts';
import type { Model, Problem } from '../../config/index.ts';
import type { Stage } from '../stage.ts';
import { Rollout, rolloutSettings } from './schema.ts';
import { sections } from './sections.ts';

/** Lets a candidate out step by step, and takes it back on harm. Its evidence grows with the steps. */
export const rollout: Stage = {
  kind: 'rollout',
  title: 'Rollout',
  reportOrder: 34,
  command: {
    name: 'rollout',
    summary: 'Let the candidate out step by step, judge each step, and take it back on harm.',
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
  whereOf(name, model) {
    const index = (rolloutSettings(model)?.guardrails ?? []).findIndex((each) => each.name === name);
    if (index !== -1) return ['rollout', 'guardrails', index];
    return ['rollout', name.startsWith('step') ? 'steps' : name === 'data' ? 'observe' : 'weights'];
  },
  sections,
};

/** What a schema cannot say. */
function problems(model: Model): Problem[] {
  const settings = rolloutSettings(model);
  if (settings === undefined) return [];
  const { steps, step_time: least, max_step_time: most, weights, observe, guardrails } = settings;
  const { poll = '1m', expires = '15m' } = settings;
  const found: Problem[] = [];
  const problem = (pointer: string, key: string, message: string): void => {
    found.push({ pointer: `/rollout/${pointer}`, key, message });
  };
  if (steps.some((weight, index) => index > 0 && weight <= (steps[index - 1] as number))) {
    problem('steps', 'steps', 'each step must be larger than the one before it');
  }
  if ('yaml' in weights && steps.some((weight) => !Number.isInteger(weight))) {
    problem('steps', 'steps', 'Istio, the Gateway API and KServe take whole numbers as weights');
  }
  if ('proxy' in weights && steps.some((weight) => Number(weight.toFixed(2)) !== weight)) {
    problem('steps', 'steps', `${weights.proxy} knows hundredths of a percent, and no less`);
  }
  if (milliseconds(most) <= milliseconds(least)) {
    problem('max_step_time', 'max_step_time', 'max_step_time must be longer than step_time');
  }
  if (milliseconds(expires) < 3 * milliseconds(poll)) {
    problem('expires', 'expires', 'a weight is renewed at each poll: expires must be at least three times as long');
  }
  if ('server' in observe && !('server' in weights)) {
    problem('observe', 'observe', 'observe: {server: true} needs weights: {server: URL}');
  }
  for (const [index, { name, failure, over_ms, feedback }] of guardrails.entries()) {
    const at = (key: string, message: string): void => problem(`guardrails/${index}/${key}`, key, message);
    if (guardrails.findIndex((each) => each.name === name) !== index) at('name', `there are two guardrails ${name}`);
    if ('prometheus' in observe) {
      const query = Object.hasOwn(observe.failures, name) ? observe.failures[name] : undefined;
      if (query === undefined) at('name', `observe.failures has no query for ${name}`);
      continue;
    }
    if (failure === 'slow' && over_ms === undefined) at('over_ms', 'slow needs over_ms');
    if (failure === 'feedback' && feedback === undefined) at('feedback', 'feedback needs the word that is logged');
  }
  if ('prometheus' in observe) {
    for (const [name, query] of Object.entries({ requests: observe.requests, ...observe.failures })) {
      if (query.includes('$arm')) continue;
      problem('observe', name, `the query of ${name} has no $arm, so both versions would get the same number`);
    }
  }
  return found;
}
