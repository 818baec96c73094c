import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { contender, gateRepository } from '../support/gate-repository.ts';
import { inTemporaryFolder } from '../support/project.ts';

const rows = 400;
const configuration = (policy = ''): string => `version: 1
models:
  m:
    task: binary-classification
    candidate: { predictions: candidate.csv, score: p }
    columns: { id: id, label: label }
    data: { evaluation: eval.csv }
    policy: { primary: { metric: accuracy, margin: 0.01 }, allow_first: true, anchor: { version: best, margin: 0.02 }${policy} }
`;

function answers(wrong: number): string {
  const lines = Array.from({ length: rows }, (_, row) => `${row},${(row % 2 === 1) === row >= wrong ? 0.9 : 0.1}`);
  return `id,p\n${lines.join('\n')}\n`;
}

test('the history of a model is a table and a page: outcomes, metrics with intervals, people, reuse of the data', () =>
  inTemporaryFolder(async (folder) => {
    const { commit } = await gateRepository(folder);
    const nothing = await contender(folder, ['history']);
    assert.match(nothing.stdout, /NO CHAMPION/u, nothing.stderr);
    const labels = Array.from({ length: rows }, (_, row) => `${row},${row % 2}`);
    await writeFile(join(folder, 'eval.csv'), `id,label\n${labels.join('\n')}\n`);
    await writeFile(join(folder, 'contender.yml'), configuration());
    for (const [wrong, code] of [
      [80, 0],
      [20, 0],
      [100, 1],
    ] as const) {
      await writeFile(join(folder, 'candidate.csv'), answers(wrong));
      await commit(`${wrong} wrong`);
      const gate = await contender(folder, ['gate', '--quiet']);
      assert.equal(gate.code, code, gate.stdout);
    }
    const { stdout } = await contender(folder, ['history', 'm']);
    assert.match(stdout, /CHAMPION 1\.0\.1 {2}m/u);
    assert.match(stdout, /2 promoted, 0 held, 1 rejected/u);
    assert.match(
      stdout,
      /3\s.*Rejected.*candidate.*0\.7500.*-20\.0 points.*2\s.*Promoted.*1\.0\.1.*0\.9500.*\+15\.0 points/su,
    );
    const json = JSON.parse((await contender(folder, ['history', '--json'])).stdout) as {
      decisions: { seq: number }[];
    };
    assert.deepEqual(
      json.decisions.map(({ seq }) => seq),
      [1, 2, 3],
    );

    const written = await contender(folder, ['history', '--pages', 'public']);
    assert.equal(written.code, 0, written.stderr);
    assert.deepEqual((await readdir(join(folder, 'public'))).toSorted(), ['index.html', 'm.html']);
    assert.match(await readFile(join(folder, 'public/index.html'), 'utf8'), /<a href="m\.html">m<\/a>/u);
    const page = await readFile(join(folder, 'public/m.html'), 'utf8');
    for (const title of [
      'accuracy of the candidates and of the champion at that time',
      'Gain in accuracy over the champion, with its interval',
      'Distance to the anchor in accuracy, with its interval',
      'Decisions made before on the same evaluation set',
    ]) {
      assert.match(page, new RegExp(`<svg[^>]* aria-label="${title}"`, 'u'));
    }
    assert.doesNotMatch(page, /<script|https?:\/\/(?!www\.w3\.org)/u);
    assert.equal((await contender(folder, ['rollback', '--reason', 'it is slow'])).code, 0);
    const after = await contender(folder, ['history', 'm']);
    assert.match(after.stdout, /2 promoted, 0 held, 1 rejected, 1 rolled back/u, 'what a person does is no promotion');
    const unknown = await contender(folder, ['history', 'n']);
    assert.deepEqual([unknown.code, /there is no model "n"/u.test(unknown.stderr)], [2, true]);
  }));
