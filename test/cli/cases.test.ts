import assert from 'node:assert/strict';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { Decision } from '../../src/evidence/index.ts';
import { contender } from '../support/gate-repository.ts';
import { fixture, inTemporaryFolder } from '../support/project.ts';

/*
 * The other cases of fixtures/, each under the policy of its own contender.yml, from data to decision through the command line.
 * What each candidate is, and what a good gate says of it, is in the README.md of the case.
 */
const cases: Record<string, Record<string, { outcome: string; because?: string[] }>> = {
  digits: {
    candidate: { outcome: 'promote' },
    'candidate-int8': { outcome: 'promote' },
    'candidate-worse': { outcome: 'reject', because: ['evaluation/accuracy@digit=d9'] },
    champion: { outcome: 'no-change' },
  },
  randhie: {
    candidate: { outcome: 'promote' },
    'candidate-worse': { outcome: 'reject', because: ['evaluation/rmse'] },
    'candidate-clipped': { outcome: 'reject', because: ['evaluation/absolute_bias-ceiling'] },
    champion: { outcome: 'no-change' },
  },
  'credit-synth': {
    candidate: {
      outcome: 'reject',
      because: ['evaluation/accuracy@group=C', 'evaluation/demographic_parity_ratio@group-floor'],
    },
    'candidate-fair': { outcome: 'promote' },
    'candidate-worse': { outcome: 'reject', because: ['evaluation/roc_auc'] },
    champion: { outcome: 'no-change' },
  },
  topics: {
    candidate: { outcome: 'promote' },
    'candidate-worse': { outcome: 'reject', because: ['evaluation/recall[refund]'] },
    champion: { outcome: 'no-change' },
  },
  search: {
    candidate: { outcome: 'promote' },
    'candidate-rounded': { outcome: 'reject', because: ['evaluation/mrr'] },
    'candidate-worse': { outcome: 'reject', because: ['evaluation/ndcg@10', 'evaluation/mrr'] },
    champion: { outcome: 'no-change' },
  },
};

for (const [name, candidates] of Object.entries(cases)) {
  describe(`the gate on ${name}`, () => {
    for (const [candidate, expected] of Object.entries(candidates)) {
      test(`says ${expected.outcome} of ${candidate}`, () =>
        inTemporaryFolder(async (folder) => {
          for (const part of ['contender.yml', 'schema.json', 'data', 'models']) {
            await cp(fixture(`${name}/${part}`), join(folder, part), { recursive: true });
          }
          const args = ['gate', '--no-record', '--json', '--candidate', `models/${candidate}.onnx`];
          const result = await contender(folder, args);
          const { decision } = JSON.parse(result.stdout) as { decision: Decision };
          assert.equal(decision.outcome, expected.outcome, JSON.stringify(decision.reasons));
          if (expected.because === undefined) return;
          const failed = decision.reasons
            .filter((reason) => reason.code === 'check-failed')
            .map((reason) => reason.check);
          for (const check of expected.because) assert.ok(failed.includes(check), JSON.stringify(decision.reasons));
        }));
    }
  });
}
