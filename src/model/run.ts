import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { temporaryFolder } from '../data/temporary.ts';
import { ModelError } from '../errors.ts';
import { openModel, type Opened, type OpenedModel } from './artifact.ts';
import { fedInputs, inspect, type ModelInspection, type TensorDeclaration } from './inspect.ts';
import { isOtherTensor, readableModel } from './onnx.ts';
import { openSession, type Session, type SessionPlan } from './session.ts';
import { isTensorType } from './tensor.ts';

export type { TensorData, TensorValues } from './tensor.ts';

/** A model ready to predict, in this thread. */
export interface LoadedModel extends Session {
  inspection: ModelInspection;
  /** What `run` gives: a ZipMap, which Node cannot read, is replaced by the matrix before it. */
  outputs: OutputDeclaration[];
  opened: Opened;
}

export type OutputDeclaration = TensorDeclaration & { shape: (number | string | null)[] };

/**
 * Load an ONNX model into this process. A hostile model can crash it or take its memory: predict in a child process.
 * @throws ModelError that says what the model needs and the runtime lacks
 */
export async function loadModel(path: string, uri: string): Promise<LoadedModel> {
  return withWeightsFolder(async (folder) => {
    const opened = await openModel(path, uri, folder);
    const { inspection, outputs, plan } = planSession(opened);
    return { inspection, outputs, opened: opened.opened, ...(await openSession(plan)) };
  });
}

/** Run `work` with a private folder for copies of external data; once a session is open it needs them no more. */
export async function withWeightsFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  // Without a place for files a model that has no others beside it runs all the same: nothing is at a path that nobody made.
  const folder = await temporaryFolder('weights').catch(() => join(tmpdir(), `contender-weights-${randomUUID()}`));
  try {
    return await work(join(folder, 'files'));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** What a model that was read takes and gives. @throws ModelError for one that cannot be run */
export function planSession({ uri, bytes, model, folder }: OpenedModel): {
  inspection: ModelInspection;
  outputs: OutputDeclaration[];
  plan: SessionPlan;
} {
  const inspection = inspect(model, bytes.length);
  const [problem] = inspection.problems;
  if (problem !== undefined) throw new ModelError({ found: problem, where: uri });
  const readable = readableModel(bytes, model);
  const outputs = inspection.outputs.flatMap(({ name, type, shape }): OutputDeclaration[] => {
    if (readable.matrices.has(name))
      return [{ name, type: 'float', shape: [null, inspection.origins[name]?.classes?.length ?? null] }];
    return isTensorType(type) ? [{ name, type, shape: shape ?? [null] }] : [];
  });
  if (outputs.length === 0) {
    throw new ModelError({
      found: `the model gives only ${inspection.outputs.map(({ name, type }) => `${name}, a ${type}`).join('; ')}`,
      expected: 'at least one output that is a tensor',
      where: uri,
      remedy: inspection.outputs.some(({ type }) => isOtherTensor(type))
        ? 'Cast the output to float in the model'
        : 'Export it with tensor outputs (skl2onnx: zipmap=False)',
    });
  }
  const inputs = fedInputs(inspection);
  const named = (name: string): string => readable.names.get(name) ?? name;
  const batch = inputs.map(({ shape }) => shape?.[0]).find((size) => typeof size === 'number');
  const plan: SessionPlan = {
    uri,
    bytes: readable.bytes,
    folder,
    inputs: inputs.map(({ name, type, bare }) => ({ name, type, feed: named(name), bare })),
    outputs: outputs.map(({ name, type }) => ({ name, type })),
    fetches: outputs.map(({ name }) => named(name)),
    batch: batch ?? null,
  };
  return { inspection, outputs, plan };
}
