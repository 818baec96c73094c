import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { isRefName, openRepository } from '../../../src/registry/git/repository.ts';
import { git as runGitIn } from '../../../src/registry/git/run.ts';
import { inRepository } from '../temporary-repository.ts';

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

test('a repository that a newer git made is told by what this git does not know of it', () =>
  inRepository(async ({ folder, git }) => {
    await git('config', 'extensions.refsOfTomorrow', 'true');
    await git('config', 'core.repositoryFormatVersion', '1');
    await assert.rejects(
      openRepository(folder),
      /unknown repository extension.* refsoftomorrow.*install that version/u,
    );
    await writeFile(join(folder, '.git/config'), '[core]\n\trepositoryFormatVersion = 99\n');
    await assert.rejects(openRepository(folder), /Expected git repo version <= \d+, found 99.*install that version/u);
  }));

test('a partial clone that cannot fetch what it lacks is told as one, and not as damage', () =>
  inRepository(async ({ folder, git }) => {
    await writeFile(join(folder, 'a'), 'a');
    await git('add', 'a');
    await git('commit', '--quiet', '-m', 'a');
    await git('config', 'uploadpack.allowFilter', 'true');
    const clone = join(folder, 'clone');
    await git('clone', '--quiet', '--no-checkout', '--filter=blob:none', `file://${folder}`, clone);
    await git('-C', clone, 'remote', 'set-url', 'origin', `file://${folder}/gone`);
    await assert.rejects(runGitIn(clone, ['ls-tree', '-l', 'HEAD']), (error: Error) => {
      assert.match(error.message, /The clone is partial.* clone without a filter/u);
      assert.doesNotMatch(error.message, /damaged/u);
      return true;
    });
  }));
