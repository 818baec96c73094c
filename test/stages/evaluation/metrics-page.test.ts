import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { metricsOf } from '../../../src/stages/evaluation/metrics/catalogue.ts';
import { gaps } from '../../../src/stages/evaluation/gaps.ts';
import { projectRoot } from '../../support/project.ts';

describe('the page of metrics', () => {
  it('names every metric there is', async () => {
    const page = await readFile(join(projectRoot, 'docs/metrics.md'), 'utf8');
    const tasks = [
      'binary-classification',
      'multiclass-classification',
      'multilabel-classification',
      'regression',
      'ranking',
    ] as const;
    for (const name of [
      ...tasks.flatMap((task) => metricsOf(task).map((metric) => metric.name)),
      ...Object.keys(gaps),
    ]) {
      assert.ok(page.includes(`\`${name}\``), `docs/metrics.md does not name ${name}`);
    }
  });
});
