/*
 * The level of the gates on efficiency: a model against itself (a copy with other bytes), so that every true ratio is exactly the
 * limit of 1. Each gate should pass, and should fail, in at most 5% of the runs. BENCH_ROUNDS runs (default 100), each of the whole
 * production stage with its defaults.
 */
import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { silentLog } from '../src/log.ts';
import { runStage } from '../src/pipeline/gate/run-stage.ts';
import { behaviour } from '../src/stages/behaviour/stage.ts';
import { openWorkspace } from '../src/pipeline/workspace.ts';
import { viewOf } from '../src/registry/manifest.ts';
import { fixture, inTemporaryFolder } from '../test/support/project.ts';
import { publish } from './support/page.ts';

const rounds = Number(process.env['BENCH_ROUNDS'] ?? 100);
const gates = ['latency', 'batch_latency', 'memory', 'load'] as const;
const configuration = `version: 1
models:
  m:
    task: binary-classification
    columns: { id: id, label: label }
    candidate: candidate.onnx
    champion: champion.onnx
    data: { evaluation: eval.parquet }
    policy: { primary: { metric: roc_auc, margin: 0.005 } }
    behaviour:
      rows: 300
      efficiency: { ${gates.map((gate) => `${gate}_ratio: { max: 1 }`).join(', ')} }
`;

const counts = Object.fromEntries(gates.map((gate) => [gate, { pass: 0, fail: 0, inconclusive: 0, skipped: 0 }]));
const ratios: Record<string, number[]> = Object.fromEntries(gates.map((gate) => [gate, []]));
await inTemporaryFolder(async (folder) => {
  await cp(fixture('spam/data/eval.parquet'), join(folder, 'eval.parquet'));
  await cp(fixture('spam/models/champion.onnx'), join(folder, 'champion.onnx'));
  // A doc_string (field 6 of ModelProto) more.
  const copy = Buffer.concat([
    await readFile(join(folder, 'champion.onnx')),
    Buffer.from([0x32, 4]),
    Buffer.from('copy'),
  ]);
  await writeFile(join(folder, 'candidate.onnx'), copy);
  await writeFile(join(folder, 'contender.yml'), configuration);
  for (let round = 1; round <= rounds; round += 1) {
    const workspace = await openWorkspace({ root: folder, config: 'contender.yml', out: 'out', log: silentLog });
    const view = viewOf(null, []);
    const { checks } = await runStage(workspace, behaviour, async () => view);
    for (const gate of gates) {
      const check = checks.find(({ id }) => id === `behaviour/${gate.replaceAll('_', '-')}-ratio`);
      if (check === undefined) throw new Error(`no check of ${gate}`);
      (counts[gate] as Record<string, number>)[check.verdict]! += 1;
      ratios[gate]?.push(Number(check.observed));
    }
    console.log(
      `${round}: ${gates.map((gate) => `${gate} ${ratios[gate]?.at(-1)?.toFixed(3)} ${JSON.stringify(counts[gate])}`).join('; ')}`,
    );
  }
});
const share = (count: number): string => `${((100 * count) / rounds).toFixed(1)}%`;
await publish('Level of the gates on efficiency', [
  `A model against a copy of itself under a limit of 1, which it meets exactly: ${rounds} runs of the stage with its defaults. A gate should pass`,
  'in at most 5% of them, and fail in at most 5%; the rest is inconclusive.',
  '',
  '| gate | passed | failed | ratio: least, median, greatest |',
  '|---|---|---|---|',
  ...gates.map((gate) => {
    const sorted = (ratios[gate] as number[]).toSorted((a, b) => a - b);
    const [least, middle, most] = [sorted[0], sorted[sorted.length >> 1], sorted.at(-1)];
    return `| ${gate}_ratio | ${share(counts[gate]?.pass ?? 0)} | ${share(counts[gate]?.fail ?? 0)} | ${[least, middle, most].map((each) => each?.toFixed(3)).join(', ')} |`;
  }),
]);
