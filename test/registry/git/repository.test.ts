import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { isRefName } from '../../../src/registry/git/repository.ts';

test('names of refs are those that git takes', () => {
  const odd = [
    '',
    ' ',
    '\t',
    '\u007f',
    '~',
    '^',
    ':',
    '?',
    '*',
    '[',
    '\\',
    '..',
    '@{',
    '//',
    '/',
    '.',
    '.lock',
    '/.',
    './',
  ];
  const taken = ['a', 'é', '@', '{', ']', 'lock', 'a.b', 'a/b', '-a', 'a.locks', 'a@b', '#'];
  const names = [...odd.map((each) => `a${each}b`), ...odd, ...odd.map((each) => `a${each}`), '.lock/a', ...taken].map(
    (each) => `refs/heads/${each}`,
  );
  const script = 'for name; do git check-ref-format "$name"; echo $?; done';
  const said = execFileSync('sh', ['-c', script, 'sh', ...names, 'alone'], { encoding: 'utf8' })
    .trim()
    .split('\n');
  assert.deepEqual(
    [...names, 'alone'].map((name) => [name, isRefName(name)]),
    [...names, 'alone'].map((name, index) => [name, said[index] === '0']),
  );
});
