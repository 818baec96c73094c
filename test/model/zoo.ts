import { readFile } from 'node:fs/promises';
import type { TensorValues } from '../../src/model/run.ts';
import { fixture } from '../support/project.ts';

export interface GoldenTensor {
  dtype: string;
  shape: number[];
  data: unknown[];
}
export interface ZooModel {
  file: string;
  valid: boolean;
  bytes: number;
  sha256: string;
  ir_version: number;
  opset: Record<string, number>;
  producer: string;
  inputs: { name: string; type: string; shape: (number | string | null)[] }[];
  extra_files: string[];
  golden?: { inputs: Record<string, GoldenTensor>; outputs: Record<string, unknown[]> };
  run_inputs?: Record<string, GoldenTensor>;
}

/** The models of fixtures/onnx-zoo, with inputs and the outputs that Python onnxruntime gave. */
export async function zoo(): Promise<ZooModel[]> {
  const text = await readFile(fixture('onnx-zoo/manifest.json'), 'utf8');
  return (JSON.parse(text) as { models: ZooModel[] }).models;
}

export function zooModel(models: readonly ZooModel[], file: string): ZooModel {
  const found = models.find((model) => model.file === file);
  if (found === undefined) throw new Error(`no ${file} in the zoo`);
  return found;
}

const types: Record<string, string> = { float32: 'float', float64: 'double' };

/** A golden input as a tensor. */
export function tensorOf({ dtype, shape, data }: GoldenTensor): TensorValues {
  const flat = data.flat(5);
  const type = types[dtype] ?? dtype;
  switch (type) {
    case 'double':
      return { type, dims: shape, data: Float64Array.from(flat as number[]) };
    case 'int64':
      return { type, dims: shape, data: BigInt64Array.from(flat as number[], BigInt) };
    case 'string':
      return { type, dims: shape, data: flat as string[] };
    default:
      return { type, dims: shape, data: Float32Array.from(flat as number[]) };
  }
}

/** Golden outputs as one list: a map of class to probability gives its values in the order of its keys. */
export function flatOutputs(output: readonly unknown[]): unknown[] {
  return (output as unknown[])
    .flat(5)
    .flatMap((value) => (typeof value === 'object' && value !== null ? Object.values(value) : [value]));
}
