import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { silentLog } from '../../src/log.ts';
import { openRegistry } from '../../src/pipeline/open-registry.ts';
import { openWorkspace } from '../../src/pipeline/workspace.ts';
import { judged } from '../registry/sample-decision.ts';
import { commandLine, contender, gateRepository, runNode } from '../support/gate-repository.ts';
import { inTemporaryFolder } from '../support/project.ts';

test('records nothing after a decision that is still to come, whose own re-run succeeds, until it is taken off the branch', () =>
  inTemporaryFolder(async (folder) => {
    const repository = await gateRepository(folder);
    const workspace = await openWorkspace({ root: folder, config: 'contender.yml', out: '.contender', log: silentLog });
    const registry = await openRegistry(workspace);
    const record = (candidate: string, time: Date): Promise<{ status: string }> =>
      registry.record({
        model: 'spam-filter',
        decide: (view) => ({ ...judged('spam-filter', candidate, 'promote')(view), time: time.toISOString() }),
        evidence: [],
      });
    await record('a', new Date());
    assert.equal((await record('b', new Date('2090-01-01'))).status, 'recorded');
    const recorded = await repository.recorded();
    await assert.rejects(
      record('c', new Date()),
      /decision 2 of spam-filter is dated 2090-01-01.*the clock of this machine says/u,
    );
    assert.equal((await record('b', new Date())).status, 'no-change');
    assert.equal(await repository.recorded(), recorded);
    // As docs/registry.md says.
    await repository.git('branch', '--force', 'model-registry', `${recorded}^`);
    assert.equal((await record('c', new Date())).status, 'recorded');
    assert.deepEqual(await registry.verify(), []);
  }));

test('does not begin the long work of a gate whose decision would be dated by another clock', () =>
  inTemporaryFolder(async (folder) => {
    const repository = await gateRepository(folder);
    await repository.withoutLoad();
    await contender(folder, ['registry', 'register', '--artifact', 'models/champion.onnx']);
    const recorded = await repository.recorded();
    // The clock of the machine, not of the test: a decision of a few minutes ago is before it.
    const behind = join(folder, '.git/behind.cjs');
    await writeFile(behind, 'const now = Date.now; Date.now = () => now() - 3_600_000;');
    const { code, stderr } = await runNode(commandLine, ['gate'], folder, { NODE_OPTIONS: `--require ${behind}` });
    assert.equal(code, 2, stderr);
    assert.match(stderr, /decision 1 of spam-filter is dated .*Nothing was recorded/u);
    assert.doesNotMatch(stderr, /Evaluation/u);
    assert.equal(await repository.recorded(), recorded);
  }));
