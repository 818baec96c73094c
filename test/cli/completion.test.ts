import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { contender } from '../support/gate-repository.ts';
import { inTemporaryFolder } from '../support/project.ts';

/** What each shell proposes for the last word, in a folder with a model. */
const cases: { typed: string[]; proposed: string[] }[] = [
  { typed: ['ga'], proposed: ['gate'] },
  { typed: ['gate', '--candidate-'], proposed: ['--candidate-sha256'] },
  { typed: ['registry', 'reg'], proposed: ['register'] },
  { typed: ['registry', 'register', '--art'], proposed: ['--artifact'] },
  { typed: ['predict', '--role', 'c'], proposed: ['candidate', 'champion'] },
  { typed: ['completion', 'f'], proposed: ['fish'] },
  { typed: ['inspect', 'my mo'], proposed: ['my model.onnx'] },
];
const programs = {
  bash: `source ./script
COMP_WORDS=(contender "$@"); COMP_CWORD=$#; _contender; printf '%s\\n' "\${COMPREPLY[@]}"`,
  fish: 'source ./script; complete -C (string join -- " " contender (string escape -n -- $argv)) | string replace -r "\\t.*" ""',
};

describe('the script for a shell', () => {
  for (const [shell, program] of Object.entries(programs)) {
    const there = spawnSync(shell, ['--version']).status === 0;
    test(`completes in ${shell}`, { skip: there ? false : `no ${shell}` }, () =>
      inTemporaryFolder(async (folder) => {
        await writeFile(join(folder, 'script'), (await contender(folder, ['completion', shell])).stdout);
        await writeFile(join(folder, 'my model.onnx'), '');
        for (const { typed, proposed } of cases) {
          const options = shell === 'bash' ? ['-c', program, shell] : ['-c', program];
          const { stdout, stderr } = spawnSync(shell, [...options, ...typed], {
            cwd: folder,
            encoding: 'utf8',
            env: { HOME: folder, PATH: process.env['PATH'] ?? '' },
          });
          const words = stdout.split('\n').filter(Boolean).toSorted();
          assert.deepEqual(
            words.map((word) => word.replaceAll('\\', '')),
            proposed,
            typed.join(' ') + stderr,
          );
        }
      }),
    );
  }

  test('is known to zsh', { skip: spawnSync('zsh', ['--version']).status === 0 ? false : 'no zsh' }, () =>
    inTemporaryFolder(async (folder) => {
      await writeFile(join(folder, 'script'), (await contender(folder, ['completion', 'zsh'])).stdout);
      const { stdout } = spawnSync('zsh', ['-f', '-c', 'source ./script; echo $_comps[contender]'], {
        cwd: folder,
        encoding: 'utf8',
        env: { HOME: folder, PATH: process.env['PATH'] ?? '' },
      });
      assert.match(stdout, /_contender/u);
    }),
  );

  test('is only for shells that there are scripts for', () =>
    inTemporaryFolder(async (folder) => {
      const { code, stderr } = await contender(folder, ['completion', 'tcsh']);
      assert.equal(code, 2);
      assert.match(stderr, /Allowed choices are bash, zsh, fish/u);
    }));
});
