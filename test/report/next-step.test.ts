import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Decision } from '../../src/evidence/index.ts';
import { nextStep } from '../../src/report/next-step.ts';
import { stages } from '../../src/stages/index.ts';
import { check, decision, evidence, recorded } from './samples.ts';

const step = (of: Decision, kinds: readonly string[] = []): string =>
  nextStep({ decision: of, evidence: kinds.map((kind) => evidence([check()], { kind })), stages });

describe('what to do', () => {
  it('where production must show something names the command, and who decides after it', () => {
    const held = (kind: string): string => {
      const message = `The policy requires ${kind} evidence, which is missing. Run that stage.`;
      return step(decision({ outcome: 'hold', reasons: [{ code: 'evidence-missing', message }] }));
    };
    assert.equal(held('rollout'), 'Let it out: contender rollout --model spam-filter');
    assert.equal(held('switch'), 'Let it out: contender switch --model spam-filter');
    assert.match(held('shadow'), /contender shadow --model spam-filter && contender promote --model spam-filter$/u);
    assert.match(held('load'), /then the gate again/u);
  });

  it('to go back moves the traffic too, where traffic was moved', () => {
    const promoted = recorded({ outcome: 'promote' });
    assert.match(step(promoted), /contender rollback --model spam-filter --reason "\.\.\."$/u);
    assert.match(
      step(promoted, ['rollout']),
      /--reason "\.\.\." && contender rollout --put-back --model spam-filter$/u,
    );
    assert.match(step(promoted, ['switch']), /: contender switch --back --model spam-filter --reason "\.\.\."$/u);
  });
});
