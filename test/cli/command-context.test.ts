import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import { consoleOptions, type CommandContext } from '../../src/cli/command-context.ts';

describe('the colours of the terminal', () => {
  const { isTTY } = process.stdout;
  afterEach(() => {
    process.stdout.isTTY = isTTY;
  });
  const colour = (env: Record<string, string>): boolean => {
    process.stdout.isTTY = true;
    return consoleOptions({ env } as unknown as CommandContext).colour;
  };

  test('are there on a terminal, unless NO_COLOR is set or the terminal is dumb', () => {
    assert.equal(colour({ TERM: 'xterm' }), true);
    assert.equal(colour({ TERM: 'xterm', NO_COLOR: '1' }), false);
    assert.equal(colour({ TERM: 'dumb' }), false);
  });
});
