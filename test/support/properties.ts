import fc from 'fast-check';

/*
 * fast-check as the tests use it: with the same seed every time, so that a run of CI fails for what was changed and nothing else. A
 * property that gives a seed of its own keeps it.
 */

const asked = process.env['CONTENDER_TEST_SEED'] ?? '1';
if (asked !== 'random' && !/^-?\d+$/u.test(asked)) {
  throw new Error(`CONTENDER_TEST_SEED is ${asked}: expected a whole number, or "random"`);
}
if (asked !== 'random') fc.configureGlobal({ seed: Number(asked) });

export { default } from 'fast-check';
