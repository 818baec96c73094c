import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import * as errors from '../../src/errors.ts';
import { projectRoot } from '../support/project.ts';

test('the page on errors has a table for every code that an error may have', () => {
  const page = readFileSync(join(projectRoot, 'docs', 'troubleshooting.md'), 'utf8');
  const fault = { found: 'x' };
  const made = [
    new errors.UsageError(fault),
    new errors.ConfigError(fault),
    new errors.DataError(fault),
    new errors.ModelError(fault),
    new errors.MismatchError(fault),
    new errors.SystemError(fault),
    new errors.StagingError(fault),
    new errors.TrafficError(fault),
    new errors.RegistryError(fault),
    new errors.GitHubError('refused', fault),
    new errors.EvidenceError(fault),
  ];
  const classes = Object.keys(errors).filter((name) => name.endsWith('Error') && name !== 'ContenderError');
  assert.deepEqual(made.map(({ name }) => name).sort(), classes.sort());
  const rowsOf = (code: string): number =>
    (page.split(`Code \`${code}\`.`)[1]?.split('\n## ')[0] ?? '').split('\n').filter((line) => line.startsWith('| '))
      .length;
  assert.deepEqual(
    made.filter(({ code }) => rowsOf(code) < 2).map(({ code }) => code),
    [],
  );
});
