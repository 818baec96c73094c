import assert from 'node:assert/strict';
import { cp, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ContenderError } from '../../../src/errors.ts';
import { silentLog, type Log } from '../../../src/log.ts';
import { holdInputs } from '../../../src/pipeline/held-inputs.ts';
import { registerChampion, runGate, type PromoteResult } from '../../../src/pipeline/gate/promote.ts';
import { openWorkspace, type Workspace } from '../../../src/pipeline/workspace.ts';
import { splitmix32 } from '../../../src/statistics/splitmix.ts';
import { gateRepository } from '../../support/gate-repository.ts';
import { fixture, inTemporaryFolder } from '../../support/project.ts';
import { repositoryAt, type TemporaryRepository } from '../../registry/temporary-repository.ts';

/** A hundred random moments: CONTENDER_SEEDS=100. */
const moments = Number(process.env['CONTENDER_SEEDS'] ?? 6);
const input = { record: true, actor: 'ada', source: {} };

/** What each input is replaced by: other bytes of the same form. */
const others: Record<string, (text: Buffer) => Promise<Buffer> | Buffer> = {
  'models/candidate.onnx': () => readFile(fixture('spam/models/candidate-worse-global.onnx')),
  'data/eval.parquet': () => readFile(fixture('spam/data/reference.parquet')),
  'contender.yml': (text) => Buffer.from(text.toString('utf8').replace('superior', 'non-inferior')),
  'schema.json': (text) => Buffer.concat([text, Buffer.from('\n')]),
};

describe('inputs that are replaced while a gate runs', () => {
  let base = '';
  let undisturbed: PromoteResult;
  let calls = 0;
  let usualMs = 0;

  before(async () => {
    base = await mkdtemp(join(tmpdir(), 'contender-swap-'));
    const repository = await gateRepository(join(base, 'work'));
    await repository.withoutLoad();
    await registerChampion(await opened(repository.folder, silentLog), {
      ...input,
      artifact: 'models/champion.onnx',
    });
    await inCopy(async (at) => {
      const began = performance.now();
      undisturbed = await runGate(
        await opened(
          at.folder,
          hooked(() => void calls++),
        ),
        input,
      );
      usualMs = performance.now() - began;
      assert.equal(undisturbed.status, 'recorded');
    });
  });
  after(() => rm(base, { recursive: true, force: true }));

  async function inCopy(work: (at: TemporaryRepository) => Promise<void>): Promise<void> {
    await inTemporaryFolder(async (folder) => {
      await cp(join(base, 'work'), folder, { recursive: true });
      await work(repositoryAt(folder));
    });
  }

  /** Run a gate whose input is replaced when `start` says, and hold what is recorded against what was measured undisturbed. */
  async function swapped(file: string, back: boolean, start: (swap: () => Promise<void>) => Log): Promise<void> {
    await inCopy(async (at) => {
      const path = join(at.folder, file);
      const original = await readFile(path);
      const other = await (others[file] as (typeof others)[string])(original);
      let done: Promise<void> | undefined;
      const swap = (): Promise<void> => {
        done ??= (async () => {
          await writeFile(`${path}.new`, other);
          await rename(`${path}.new`, path);
          if (!back) return;
          await sleep(20);
          await writeFile(path, original);
        })();
        return done;
      };
      const before = await at.git('rev-parse', 'model-registry');
      const result = await runGate(await opened(at.folder, start(swap)), input).catch((error: unknown) => {
        assert.ok(error instanceof ContenderError, String(error));
        return null;
      });
      await (done ?? swap());
      await writeFile(path, original);
      assert.equal(await at.git('status', '--porcelain'), '', 'the run itself changes no file');
      if (result === null) {
        assert.equal(await at.git('rev-parse', 'model-registry'), before, 'nothing is recorded');
        return;
      }
      // It was replaced after the last reading, or before the first one, and is named as uncommitted then.
      const { decision } = result;
      assert.deepEqual(decision.candidate?.artifacts[0], undisturbed.decision.candidate?.artifacts[0]);
      if (decision.source.uncommitted !== undefined) {
        assert.deepEqual(decision.source.uncommitted, [file]);
        return;
      }
      assert.equal(decision.policy.sha256, undisturbed.decision.policy.sha256);
      assert.deepEqual(digests(result), digests(undisturbed));
    });
  }

  for (const file of Object.keys(others)) {
    it(`${file}: at boundaries between what the gate does, nothing is recorded that was not measured`, async () => {
      const step = Math.max(1, Math.floor(calls / Math.min(moments, 4)));
      for (let boundary = 1; boundary <= calls; boundary += step) {
        let count = 0;
        await swapped(file, boundary % 2 === 0, (swap) =>
          hooked(() => {
            if (++count === boundary) void swap();
          }),
        );
      }
    });
  }

  it('at random moments, nothing is recorded that was not measured', async () => {
    const random = splitmix32(1);
    const files = Object.keys(others);
    for (let moment = 0; moment < moments; moment++) {
      const file = files[random() % files.length] as string;
      const after = random() % Math.ceil(usualMs);
      await swapped(file, random() % 2 === 0, (swap) => {
        setTimeout(() => void swap(), after);
        return silentLog;
      });
    }
  });
});

describe('files that a run holds', () => {
  test('are told when they are changed, replaced and put back, removed or added, and not when they stay', () =>
    inTemporaryFolder(async (folder) => {
      const path = join(folder, 'a.csv');
      const changes: [string, () => Promise<void>][] = [
        ['changed', () => writeFile(path, 'b')],
        [
          'changed and put back',
          async () => {
            await writeFile(path, 'b');
            await writeFile(path, 'a');
          },
        ],
        [
          'replaced by its like',
          async () => {
            await writeFile(`${path}.new`, 'a');
            await rename(`${path}.new`, path);
          },
        ],
        ['removed', () => rm(path)],
      ];
      for (const [name, change] of changes) {
        for (const held of [path, join(folder, '*.csv')]) {
          await writeFile(path, 'a');
          const inputs = holdInputs(folder);
          await inputs.hold(held);
          await inputs.verify();
          await change();
          await assert.rejects(inputs.verify(), /changed while it was being read.*Nothing was recorded/su, name);
        }
      }
      await mkdir(join(folder, 'parts'));
      const inputs = holdInputs(folder);
      await inputs.hold(join(folder, 'parts/*.csv'));
      await inputs.hold(join(folder, 'none.csv'));
      await inputs.verify();
      await writeFile(join(folder, 'parts/b.csv'), 'b');
      await assert.rejects(inputs.verify(), /parts\/\*\.csv: this file was changed/u);
    }));

  it('is the file alone, whatever the names of its folders look like', () =>
    inTemporaryFolder(async (folder) => {
      const root = join(folder, 'run [1] {a}?');
      await mkdir(join(root, 'parts'), { recursive: true });
      await writeFile(join(root, 'e.csv'), 'a');
      const inputs = holdInputs(root);
      for (const name of ['e.csv', 'none.csv', 'parts/*.csv']) await inputs.hold(join(root, name));
      await writeFile(join(folder, 'other.csv'), 'b');
      await writeFile(join(root, 'other.csv'), 'b');
      await inputs.verify();
      await writeFile(join(root, 'parts/a.csv'), 'b');
      await assert.rejects(inputs.verify(), /parts\/\*\.csv: this file was changed/u);
    }));
});

/** Of what was measured: times are not part of it. */
function digests({ decision }: PromoteResult): string[] {
  return decision.evidence.map(({ sha256 }) => sha256);
}

function opened(root: string, log: Log): Promise<Workspace> {
  return openWorkspace({ root, config: 'contender.yml', out: '.contender', log });
}

/** A log that calls `at` whenever anything is told: between all that the gate does. */
function hooked(at: () => void): Log {
  const hook = (): void => at();
  return {
    ...silentLog,
    info: hook,
    debug: hook,
    warning: hook,
    async group(_name, work) {
      at();
      const result = await work();
      at();
      return result;
    },
  };
}
