import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { fixture, inTemporaryFolder, projectRoot } from '../support/project.ts';

const run = promisify(execFile);

describe('a stage that is added', () => {
  it('is in help, schema, bundles, report, JUnit, annotations, documentation and actions, from its folder and its line alone', () =>
    inTemporaryFolder(async (folder) => {
      const at = (...path: string[]): string => join(folder, ...path);
      const text = (...path: string[]): Promise<string> => readFile(at(...path), 'utf8');
      await copyRepository(folder);
      await addToy(folder);
      await node(folder, ['node_modules/typescript/bin/tsc', '-p', '.']);

      const help = (await node(folder, ['build/src/cli/main.js', '--help'])).stdout;
      assert.match(help, /toy \[options\]\s+Count the rows\./u);
      assert.match(help, /gate \[options\]\s+Run the whole gate: .*toy,\s+decide,\s+record/su);
      assert.match((await node(folder, ['build/src/cli/main.js', 'toy', '--help'])).stdout, /contender toy --json/u);

      await node(folder, ['build/scripts/schemas.js']);
      const schema = JSON.stringify(JSON.parse(await text('schemas/config.schema.json')));
      assert.ok(schema.includes('"most_rows":{"type":"integer"'), 'schema');
      assert.match(
        await text('docs/configuration.md'),
        /toy\.most_rows` \| integer ≥ 1 \*\*required\*\* \| the most rows/u,
      );
      assert.match(await text('docs/concepts.md'), /Count the rows\..*`contender toy`.*\(toy\.md\)/u);
      await node(folder, ['build/scripts/action-docs.js']);
      assert.match(await text('actions/toy/README.md'), /\| `rows` \| How many rows a toy counted\. \|/u);

      const asked = `
        const { programs } = await import('./build/scripts/programs.js');
        const { documentedActions } = await import('./build/scripts/action-tables.js');
        const { parseConfig, stageFacts } = await import('./build/src/pipeline/configuration.js');
        const { readFileSync } = await import('node:fs');
        const model = parseConfig(readFileSync('case/contender.yml', 'utf8'), 'contender.yml').models.m;
        console.log(JSON.stringify({ program: (await programs()).toy, documentedActions, facts: stageFacts(model) }));`;
      await writeCase(at('case'));
      const known = JSON.parse((await node(folder, ['--input-type=module', '--eval', asked])).stdout) as {
        program: string;
        documentedActions: object[];
        facts: { kind: string; required: boolean }[];
      };
      assert.match(known.program, /stageAction\('toy'\)/u);
      assert.ok(known.documentedActions.some((each) => 'folder' in each && each.folder === 'actions/toy'));
      assert.ok(known.facts.some(({ kind, required }) => kind === 'toy' && required));

      const files = { GITHUB_OUTPUT: at('output'), GITHUB_STEP_SUMMARY: at('summary') };
      for (const file of Object.values(files)) await writeFile(file, '');
      const step = await node(at('case'), [at('build/src/actions/run-stage.js'), 'toy'], {
        ...files,
        GITHUB_WORKSPACE: at('case'),
        GITHUB_EVENT_NAME: 'push',
        INPUT_JUNIT: 'junit.xml',
      });
      assert.equal(step.code, 1, step.stdout + step.stderr);
      assert.match(
        step.stdout,
        /::error title=Rows that a toy counted,file=contender\.yml,line=9,col=23::A toy counted 3 rows/u,
      );
      assert.match(step.stdout, /Checks that did not pass\n[^]*Rows that a toy counted/u);
      assert.match(await text('output'), /rows<<[^\n]+\n3\n/u);
      const summary = await text('summary');
      for (const shown of ['A toy looked at the rows.', 'Rows by dataset', '| evaluation | 3 |']) {
        assert.ok(summary.includes(shown), `${shown} in ${summary}`);
      }
      assert.match(await text('case/junit.xml'), /<testsuite name="m\.toy"[\s\S]*name="toy\/rows"/u);
      const evidence = JSON.parse(await text('case/.contender/m/evidence/toy.json')) as {
        kind: string;
        verdict: string;
      };
      assert.deepEqual([evidence.kind, evidence.verdict], ['toy', 'fail']);
    }));
});

/** The sources and what was compiled of them: only what the toy changes is compiled again. */
async function copyRepository(folder: string): Promise<void> {
  const parts = ['src', 'scripts', 'test', 'bench', 'actions', 'docs', 'schemas', 'build'];
  for (const part of [...parts, 'action.yml', 'package.json', 'tsconfig.json']) {
    await cp(join(projectRoot, part), join(folder, part), { recursive: true, preserveTimestamps: true });
  }
  for (const part of ['node_modules', 'fixtures']) await symlink(join(projectRoot, part), join(folder, part));
}

/** The files of the toy, and its line in the list: nothing else is touched. */
async function addToy(folder: string): Promise<void> {
  for (const part of ['src', 'actions', 'docs']) {
    await cp(fixture(`toy-stage/${part}`), join(folder, part), { recursive: true });
  }
  const list = join(folder, 'src/stages/index.ts');
  const before = await readFile(list, 'utf8');
  const after = `import { toy } from './toy/stage.ts';\n${before}`.replace(/\];\s*$/u, ', toy];\n');
  assert.notEqual(after, before);
  await writeFile(list, after);
}

async function writeCase(folder: string): Promise<void> {
  await mkdir(folder);
  await writeFile(join(folder, 'eval.csv'), 'id,x,label\na,1,0\nb,2,1\nc,3,1\n');
  await writeFile(
    join(folder, 'contender.yml'),
    `version: 1
models:
  m:
    task: binary-classification
    candidate: m.onnx
    columns: { id: id, label: label }
    data: { evaluation: eval.csv }
    policy: { primary: { metric: recall, margin: 0.01 }, required_evidence: [evaluation, toy] }
    toy: { most_rows: 2 }
`,
  );
}

async function node(
  cwd: string,
  parameters: readonly string[],
  env: Record<string, string> = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  const { PATH = '' } = process.env;
  try {
    const { stdout, stderr } = await run(process.execPath, [...parameters], { cwd, env: { PATH, ...env } });
    return { code: 0, stdout, stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    if (Object.keys(env).length === 0) throw new Error(`${parameters.join(' ')}\n${stdout}${stderr}`, { cause: error });
    return { code, stdout, stderr };
  }
}
