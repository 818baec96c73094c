import { readFile, writeFile } from 'node:fs/promises';
import { logisticModel, trainLogistic } from '../../scripts/simulated-model.ts';

/* What a train.sh of a test calls: node train.js rows.csv model.onnx label feature... */
const [rows = '', model = '', label = '', ...features] = process.argv.slice(2);
const [header = '', ...lines] = (await readFile(rows, 'utf8')).trim().split('\n');
const names = header.split(',');
const examples = lines.map((line) => {
  const cells = line.split(',');
  const of = (name: string): number => Number(cells[names.indexOf(name)]);
  return { x: features.map(of), label: of(label) };
});
await writeFile(model, logisticModel(trainLogistic(examples)));
