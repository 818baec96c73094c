import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLog } from '../../src/log.ts';
import { openRegistry } from '../../src/pipeline/open-registry.ts';
import { openWorkspace } from '../../src/pipeline/workspace.ts';
import { judged } from '../registry/sample-decision.ts';
import { gateRepository } from '../support/gate-repository.ts';
import { inTemporaryFolder } from '../support/project.ts';

test('says of each decision that one from the future before it dates it so', () =>
  inTemporaryFolder(async (folder) => {
    await gateRepository(folder);
    const warnings: string[] = [];
    const log = { ...silentLog, warning: (text: string) => warnings.push(text) };
    const workspace = await openWorkspace({ root: folder, config: 'contender.yml', out: '.contender', log });
    const registry = await openRegistry(workspace);
    const record = (candidate: string, time: Date): Promise<unknown> =>
      registry.record({
        model: 'spam-filter',
        decide: (view) => ({ ...judged('spam-filter', candidate, 'promote')(view), time: time.toISOString() }),
        evidence: [],
      });
    await record('a', new Date());
    assert.deepEqual(warnings, []);
    await record('b', new Date('2090-01-01'));
    await record('c', new Date());
    assert.equal(warnings.length, 2);
    assert.match(warnings[1] ?? '', /Recorded as of 2090-01-01T00:00:00.000Z.*registry verify/u);
  }));
