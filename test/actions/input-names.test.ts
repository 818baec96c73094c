import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withInputs } from '../../src/actions/input-names.ts';

const told: Record<string, string> = {
  'Choose one with --model.': 'Choose one with input model.',
  'Run those stages first with the same --out, or the whole gate at once (contender gate)':
    'Run those stages first with the same input out, or the whole gate at once (contender gate)',
  'Give a reason with --reason "...".': 'Give a reason with input reason "...".',
  'or name a folder that holds both with --workspace': 'or name a folder that holds both with input working-directory',
  'Choose another with --environment.': 'Choose another with input environment.',
  'Create one with contender init, or name another with --config.':
    'Create one with contender init, or name another with input config.',
  // A command is a command.
  'First: contender registry assign --environment staging --version 1.0.0':
    'First: contender registry assign --environment staging --version 1.0.0',
  'Run git fetch --unshallow, or git restore --staged --worktree -- a':
    'Run git fetch --unshallow, or git restore --staged --worktree -- a',
};
for (const [option, input] of Object.entries(told)) {
  test(`a step says: ${input}`, () => assert.equal(withInputs(option), input));
}
