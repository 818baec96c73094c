import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { contender } from '../support/gate-repository.ts';
import { inTemporaryFolder } from '../support/project.ts';

describe('the command line says', () => {
  const cases: { name: string; args: string[]; code: number; says: RegExp; never?: RegExp }[] = [
    { name: 'a default as a person would type it', args: ['predict', '--help'], code: 0, says: /default:\s+1\/1\)/u },
    {
      name: 'only options that a command heeds',
      args: ['registry', 'why', '--help'],
      code: 0,
      says: /--json/u,
      never: /--candidate|--champion|--out/u,
    },
    ...['rollback', 'retrain', 'registry register', 'registry unassign', 'registry deprecate'].map((command) => ({
      name: `only options that ${command} heeds`,
      args: [...command.split(' '), '--help'],
      code: 0,
      says: /--config/u,
      never: /--candidate|--champion|--out/u,
    })),
    ...['monitor', 'check-batch', 'export', 'registry assign', 'registry waive'].map((command) => ({
      name: `no candidate for ${command}`,
      args: [...command.split(' '), '--help'],
      code: 0,
      says: /--out/u,
      never: /--candidate/u,
    })),
    {
      name: 'where the help of the very command is',
      args: ['registry', 'show', '--shwo'],
      code: 2,
      says: /\(see contender registry show --help\)/u,
    },
    {
      name: 'a fault as JSON where JSON is asked for',
      args: ['registry', 'show', '--json'],
      code: 2,
      says: /^\{\n {2}"error": \{\n {4}"code": "config",\n {4}"message": "contender\.yml: there is no such file/u,
    },
    {
      name: 'a file by the name that was typed',
      args: ['inspect', 'nope.onnx'],
      code: 2,
      says: /contender: nope\.onnx: /u,
    },
    { name: 'what a bug of its own exits with', args: ['--help'], code: 0, says: /70 a bug/u },
  ];
  for (const { name, args, code, says, never } of cases) {
    test(name, () =>
      inTemporaryFolder(async (folder) => {
        const result = await contender(folder, args);
        assert.equal(result.code, code);
        assert.match(result.stdout + result.stderr, says);
        if (never !== undefined) assert.doesNotMatch(result.stdout, never);
      }),
    );
  }
});
