import { Type } from '../../forms.ts';
import { milliseconds } from '../../config/units.ts';
import type { Model, Problem } from '../../config/index.ts';
import type { Stage } from '../stage.ts';
import { trafficPlace, trafficProblems } from '../traffic.ts';
import { trafficSections } from '../traffic-sections.ts';
import { defaultPoll, Switch, switchSettings } from './schema.ts';

/** Checks the candidate beside the champion, gives it everything at once, watches it, and takes it back on harm. */
export const switchOver: Stage = {
  kind: 'switch',
  title: 'Switch',
  reportOrder: 35,
  command: {
    name: 'switch',
    summary: 'Check the candidate next to the champion, switch all traffic to it, monitor it, and switch back on harm.',
    examples: ['contender switch', 'contender switch --back', 'contender switch --put-back --if-expired'],
  },
  action: 'switch',
  page: 'docs/switch.md',
  keys: { model: { switch: Type.Optional(Switch) } },
  problems,
  needs: 'traffic',
  enabled: (model) => switchSettings(model) !== undefined,
  absent: {
    found: 'there is no switch section',
    remedy: 'Add switch: {green, watch_time, min_requests, keep_blue, weights, observe, guardrails}',
  },
  required: (model) => switchSettings(model) !== undefined,
  whereOf: (name, model) =>
    trafficPlace('switch', switchSettings(model), name) ?? ['switch', name.startsWith('green') ? 'green' : 'weights'],
  sections: (evidence) => trafficSections('Switch', 'Checks before and after the switch', evidence),
};

/** What a schema cannot say. */
function problems(model: Model): Problem[] {
  const settings = switchSettings(model);
  if (settings === undefined) return [];
  const { watch_time: watch, poll = defaultPoll, guardrails } = settings;
  const found: Problem[] = [];
  const problem = (pointer: string, key: string, message: string): void => {
    found.push({ pointer: `/switch/${pointer}`, key, message });
  };
  if ('rollout' in model && model['rollout'] !== undefined) {
    problem('weights', 'switch', 'a model can have a rollout or a switch, not both: both would set its weight');
  }
  if (milliseconds(watch) < 3 * milliseconds(poll)) {
    problem('watch_time', 'watch_time', `${watch}, and it must be at least three times poll (${poll})`);
  }
  for (const [index, { prove_below: proof }] of guardrails.entries()) {
    const message = 'prove_below cannot be used with a switch: the two versions never run at the same time';
    if (proof !== undefined) problem(`guardrails/${index}/prove_below`, 'prove_below', message);
  }
  return [...found, ...trafficProblems('switch', { poll, ...settings })];
}
