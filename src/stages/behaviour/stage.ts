import { Type } from '../../forms.ts';
import type { Model, Problem } from '../../config/index.ts';
import type { Stage } from '../stage.ts';
import { Behaviour, behaviourSettings } from './schema.ts';
import { sections } from './sections.ts';

/** How models behave beyond accuracy: cost to run, feature importance, robustness, agreement. */
export const behaviour: Stage = {
  kind: 'behaviour',
  title: 'Behaviour',
  reportOrder: 20,
  command: {
    name: 'behaviour',
    summary: 'Compare champion and candidate on running cost, feature importance and robustness.',
    examples: ['contender behaviour', 'contender behaviour --candidate models/quantised.onnx --json'],
  },
  action: 'behaviour',
  page: 'docs/behaviour.md',
  keys: { model: { behaviour: Type.Optional(Behaviour) } },
  problems,
  needs: 'contestants',
  enabled: (model) => behaviourSettings(model) !== undefined,
  absent: {
    found: 'there is no behaviour section',
    remedy: 'Add behaviour: {efficiency: {latency_ratio: {max: 1.2}}}, or importance, robustness or agreement',
  },
  required: (model) => blocks(behaviourSettings(model) ?? {}),
  whereOf,
  sections,
  load: async () => ({ run: (await import('./behaviour.ts')).lookAtBehaviour }),
};

/** Does any part ask for something that blocks? What is advice alone is not required. */
function blocks({ efficiency = {}, importance, robustness, agreement }: Behaviour): boolean {
  const { batch: _batch, blocks: _blocks, starts: _starts, ...limits } = efficiency;
  const gates = (part: { severity?: string } | undefined, ...asked: unknown[]): boolean =>
    (part?.severity ?? 'block') === 'block' && asked.some((each) => each !== undefined);
  return (
    Object.values(limits).some((gate) => gates(gate, gate.max)) ||
    gates(importance, importance?.max_shift) ||
    gates(robustness, robustness?.margin, robustness?.max_flip_rate) ||
    gates(agreement, agreement?.min_label_agreement, agreement?.max_score_difference)
  );
}

/** Limits that nothing can exceed: importance of one feature moves to no other, and where nothing is decided, no decision can change. */
function problems(model: Model): Problem[] {
  const { task } = model;
  const { importance, robustness, agreement } = behaviourSettings(model) ?? {};
  const alone =
    importance?.max_shift !== undefined && new Set(importance.features).size === 1
      ? [
          {
            pointer: '/behaviour/importance',
            key: 'max_shift',
            message: 'max_shift needs two features or more, because importance moves from one to another',
          },
        ]
      : [];
  if (task !== 'regression' && task !== 'ranking') return alone;
  const problem = (part: string, key: string, value: unknown): Problem[] => {
    const message = `${key} needs decisions, and a model of task ${task} makes none`;
    return value === undefined ? [] : [{ pointer: `/behaviour/${part}`, key, message }];
  };
  return [
    ...alone,
    ...problem('robustness', 'max_flip_rate', robustness?.max_flip_rate),
    ...problem('agreement', 'min_label_agreement', agreement?.min_label_agreement),
  ];
}

function whereOf(name: string): (string | number)[] {
  const [part = ''] = name.split('-');
  if (part === 'robustness') return ['behaviour', 'robustness', name.endsWith('-margin') ? 'margin' : changes(name)];
  if (part === 'flips') return ['behaviour', 'robustness', 'max_flip_rate'];
  if (name === 'importance-shift') return ['behaviour', 'importance', 'max_shift'];
  if (part === 'importance') return ['behaviour', 'importance'];
  if (name === 'agreement') return ['behaviour', 'agreement', 'with'];
  if (name === 'label-agreement') return ['behaviour', 'agreement', 'min_label_agreement'];
  if (name === 'score-difference') return ['behaviour', 'agreement', 'max_score_difference'];
  return name === 'candidate' ? ['candidate'] : ['behaviour', 'efficiency', name.replaceAll('-', '_'), 'max'];
}

/** The key that asks for a change of the data. */
function changes(name: string): string {
  return { 'robustness-unseen': 'unseen_categories' }[name] ?? name.replace('robustness-', '');
}
