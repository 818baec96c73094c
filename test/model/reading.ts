import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Columns, Task } from '../../src/config/schema.ts';
import type { Predictions, ReadingOptions } from '../../src/model/predictions.ts';
import { outputReader, type OutputReader } from '../../src/model/read-outputs.ts';
import { loadModel } from '../../src/model/run.ts';
import { inTemporaryFolder } from '../support/project.ts';

/** The greatest of each is another feature. */
export const rows = [
  [2, 0, 1],
  [0, 2, 1],
  [1, 0, 2],
  [0, 1, 2],
  [2, 1, 0],
];
interface Options {
  columns?: Partial<Columns>;
  /** Labels of the data. */
  labels?: string[];
  reading?: ReadingOptions;
  /** Rows at a time, or the sizes of the batches. */
  batch?: number | number[];
}

/** Run a model of three features x on the rows and read its outputs. */
export async function read(bytes: Uint8Array, task: Task, options: Options = {}): Promise<Predictions> {
  return (await readWhole(bytes, task, options)).predictions;
}

/** As `read`, with what is odd about the outputs. */
export function readWhole(bytes: Uint8Array, task: Task, options: Options = {}): ReturnType<OutputReader['finish']> {
  return inTemporaryFolder(async (folder) => {
    const path = join(folder, 'model.onnx');
    await writeFile(path, bytes);
    const model = await loadModel(path, 'model.onnx');
    try {
      const columns = { id: 'id', label: 'label', ...options.columns };
      const reader = outputReader(model, task, columns, options.reading ?? {}, rows.length);
      const { batch = rows.length } = options;
      const sizes =
        typeof batch === 'number'
          ? Array.from({ length: Math.ceil(rows.length / batch) }, (_, part) =>
              Math.min(batch, rows.length - part * batch),
            )
          : batch;
      let start = 0;
      for (const size of sizes) {
        const taken = rows.slice(start, (start += size));
        const type = model.inspection.inputs[0]?.type ?? 'float';
        reader.add(await model.run({ x: { type, dims: [size, 3], data: Float32Array.from(taken.flat()) } }), size);
      }
      return await reader.finish({ dataLabels: () => Promise.resolve(options.labels ?? []) });
    } finally {
      await model.close();
    }
  });
}
