import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { documentedActions, readAction, withTables, type ActionMetadata } from '../../scripts/action-tables.ts';
import { projectRoot } from '../support/project.ts';

const dist = process.env['CONTENDER_DIST'] ?? join(projectRoot, 'dist');

for (const { folder, page } of documentedActions) {
  describe(`${folder}/action.yml`, () => {
    it('runs a bundle on Node 24', async () => {
      const { runs } = await readAction(projectRoot, folder);
      assert.equal(runs.using, 'node24');
      const main = join(projectRoot, folder, runs.main).replace(join(projectRoot, 'dist'), dist);
      assert.ok(existsSync(main), main);
    });

    it('sets no default but the token, which no code can know: contender.yml and the code have the others', async () => {
      const { inputs } = await readAction(projectRoot, folder);
      for (const [name, input] of Object.entries(inputs)) {
        assert.equal(input.default, name === 'token' ? '${{ github.token }}' : undefined, name);
      }
    });

    it('is documented with its inputs and outputs', async () => {
      const text = await readFile(join(projectRoot, page), 'utf8');
      const now = withTables(text, await readAction(projectRoot, folder));
      assert.equal(text, now, `${page} is out of date: npm run action-docs writes it`);
    });
  });
}

interface Workflow {
  permissions?: object;
  jobs: Record<string, { permissions?: object; steps: WorkflowStep[] }>;
}
interface WorkflowStep {
  id?: string;
  uses?: string;
  run?: string;
  with?: Record<string, unknown>;
}

describe('the workflows to copy, and the examples', async () => {
  const workflows = (await readdir(join(projectRoot, 'workflows'))).map((name) => `workflows/${name}`);
  const pages = documentedActions.map(({ page }) => page);
  const others = /uses: (?!contender\/)\S+@.*/gu;
  const ours = /^contender\/contender(?:\/(?<folder>.+))?@v\d/u;

  for (const path of [...workflows, ...pages, 'README.md']) {
    it(`${path} uses actions that exist, with inputs and outputs they have`, async () => {
      const text = await readFile(join(projectRoot, path), 'utf8');
      const yaml = path.endsWith('.md') ? (/```yaml\n(?<yaml>.*?)```/su.exec(text)?.groups?.['yaml'] ?? '') : text;
      const steps = Object.values((parse(yaml) as Workflow).jobs).flatMap((job) => job.steps);
      const used = new Map<string, ActionMetadata>();
      const others = new Set<string | undefined>();
      for (const step of steps) {
        const match = ours.exec(step.uses ?? '');
        if (match === null) {
          others.add(step.id);
          continue;
        }
        const action = await readAction(projectRoot, match.groups?.['folder'] ?? '.');
        for (const name of Object.keys(step.with ?? {}))
          assert.ok(name in action.inputs, `${step.uses} has no input ${name}`);
        if (step.id !== undefined) used.set(step.id, action);
      }
      assert.ok(steps.some((step) => ours.test(step.uses ?? '')));
      for (const [, id, output] of yaml.matchAll(/steps\.([\w-]+)\.outputs\.([\w-]+)/gu)) {
        if (others.has(id)) continue;
        assert.ok(
          output !== undefined && output in (used.get(id ?? '')?.outputs ?? {}),
          `${id} has no output ${output}`,
        );
      }
    });
  }

  it('pin actions of others to the same commits', async () => {
    const pinned = new Set<string>();
    for (const path of workflows) {
      for (const [use] of (await readFile(join(projectRoot, path), 'utf8')).matchAll(others)) pinned.add(use);
    }
    for (const path of pages) {
      for (const [use] of (await readFile(join(projectRoot, path), 'utf8')).matchAll(others)) {
        assert.ok(pinned.has(use), `${path}: ${use}`);
      }
    }
  });

  for (const path of [...workflows, ...['ci', 'release'].map((name) => `.github/workflows/${name}.yml`)]) {
    it(`${path} grants nothing at the top, something to each job, and puts no expression into a script`, async () => {
      const workflow = parse(await readFile(join(projectRoot, path), 'utf8')) as Workflow;
      assert.deepEqual(workflow.permissions, {});
      for (const job of Object.values(workflow.jobs)) {
        assert.notEqual(job.permissions, undefined);
        for (const step of job.steps) assert.doesNotMatch(step.run ?? '', /\$\{\{/u);
      }
    });
  }
});

describe('the bundles', () => {
  it('hold one copy of each engine, no source maps and nothing of the machine that built them', async () => {
    const files = (await readdir(dist, { recursive: true })).filter((path) => !path.startsWith('bin/'));
    assert.deepEqual(
      files.filter((path) => /\.(?:node|so|map|ts)$/u.test(path)),
      [],
    );
    // A path that a program makes up as it runs is no file of this repository to take along.
    assert.deepEqual(
      files.filter((path) => /(?:^|\/)(?:contender\.yml|fixtures)(?:$|\/)/u.test(path)),
      [],
    );
    for (const path of files.filter((file) => file.endsWith('.js'))) {
      const text = await readFile(join(dist, path), 'utf8');
      assert.ok(!text.includes(projectRoot), `${path} names ${projectRoot}`);
    }
  });

  it('name the licences of what they contain', async () => {
    const licences = await readFile(join(dist, 'contender/licenses.txt'), 'utf8');
    for (const name of ['@actions/core', 'ajv', '@duckdb/node-api']) assert.ok(licences.includes(`${name}\n`), name);
  });
});
