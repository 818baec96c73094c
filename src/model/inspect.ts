import { jsonIn, objectOf } from '../json.ts';
import { readModel } from './artifact.ts';
import {
  allNodes,
  allTensors,
  graphInputs,
  graphOutputs,
  parseModel,
  type GraphProto,
  type ModelProto,
  type TensorDeclaration,
  type NodeProto,
} from './onnx.ts';

import type { ClassValue } from '../data/class-text.ts';
import { classLabels, constantOutputs, outputOrigins, type OutputOrigin } from './output-origins.ts';

export type { TensorDeclaration } from './onnx.ts';

/** What can be known of a model without running it. */
export interface ModelInspection {
  inputs: TensorDeclaration[];
  outputs: TensorDeclaration[];
  irVersion: number;
  /** Version of each operator set the model imports; `ai.onnx` is the default domain. */
  opset: Record<string, number>;
  producer: string;
  producerVersion: string;
  modelVersion: number;
  description: string;
  metadata: Record<string, string>;
  /** Feature names of the metadata (`feature_names`, as JSON or separated by commas), in the order of the input. */
  featureNames: string[] | null;
  /** Number of features of an input, where its signature does not say it but the first weights do. */
  featureCounts: Record<string, number>;
  /** Of every output, what feeds it and, where the graph says it, the classes of its columns. */
  origins: Record<string, OutputOrigin>;
  /** Every list of classes that a node, in subgraphs and functions too, or a constant output names: none need be that of the scores. */
  classLists: ClassValue[][];
  /** Names of the outputs that hold the same whatever the rows are. */
  constantOutputs: string[];
  /** Numbers stored in initializers, constants and node attributes (coefficients, thresholds of trees). */
  parameters: number;
  /** Bytes of the model file, without external data. */
  size: number;
  externalData: string[];
  /** How often each operator occurs, `domain::Name` outside the default domain. */
  operators: Record<string, number>;
  /** Why no runtime will or should run it: empty for a sound model. */
  problems: string[];
}

/** Read the signature and the make-up of an ONNX file. @throws ModelError if it is not one, or damaged */
export async function inspectModel(path: string, uri: string = path): Promise<ModelInspection> {
  const bytes = await readModel(path, uri);
  return inspect(parseModel(bytes, uri), bytes.length);
}

/** As `inspectModel`, of a model already parsed. `size` in bytes. */
export function inspect(model: ModelProto, size: number): ModelInspection {
  const graph = model.graph as GraphProto;
  const metadata = Object.fromEntries(model.metadataProps.map(({ key, value }) => [key, value]));
  const inputs = graphInputs(graph);
  const featureCounts = Object.fromEntries(
    inputs.flatMap(({ name }) => {
      const count = featuresByWeights(graph, name);
      return count === null ? [] : [[name, count]];
    }),
  );
  const constants = constantOutputs(model);
  return {
    inputs,
    outputs: graphOutputs(graph),
    irVersion: model.irVersion,
    opset: Object.fromEntries(model.opsetImport.map(({ domain, version }) => [domainName(domain), version])),
    producer: model.producerName,
    producerVersion: model.producerVersion,
    modelVersion: model.modelVersion,
    description: model.docString.slice(0, 2000),
    metadata,
    featureNames: featureNames(metadata),
    featureCounts,
    origins: outputOrigins(model),
    classLists: [...new Map([...allNodes(model)].flatMap(listOf)).values(), ...constants.values()],
    constantOutputs: [...constants.keys()],
    parameters: countParameters(model),
    size,
    externalData: [...model.externalData.keys()].toSorted(),
    operators: countOperators(model),
    problems: problems(model, inputs, featureCounts),
  };
}

function listOf(node: NodeProto): [text: string, classes: ClassValue[]][] {
  const classes = classLabels(node);
  return classes === null ? [] : [[JSON.stringify(classes), classes]];
}

/**
 * The inputs as they are fed, rows first. A vector of features that has no dimension of rows is `bare`: a row of it is `[1, features]`
 * here, and fed alone. A vector of as many values as an output has rows is a column of a fixed batch instead, unless the first
 * weights say that it is a row.
 */
export function fedInputs({
  inputs,
  outputs,
  featureCounts,
}: Pick<ModelInspection, 'inputs' | 'outputs' | 'featureCounts'>): (TensorDeclaration & { bare: boolean })[] {
  return inputs.map((input) => {
    const needed = countOf(featureCounts, input.name);
    const size = typeof input.shape?.[0] === 'number' ? input.shape[0] : (needed ?? 1);
    const bare =
      input.shape?.length === 1 && size > 1 && (needed === size || !outputs.some(({ shape }) => shape?.[0] === size));
    return bare ? { ...input, shape: [1, size], bare } : { ...input, bare };
  });
}

/** Features of an input that weights say: an input may be named `constructor`. */
export function countOf(counts: ModelInspection['featureCounts'], input: string): number | undefined {
  return Object.hasOwn(counts, input) ? counts[input] : undefined;
}

function domainName(domain: string): string {
  return domain === '' ? 'ai.onnx' : domain;
}

function featureNames(metadata: Record<string, string>): string[] | null {
  const text = metadata['feature_names'] ?? metadata['features'];
  return text === undefined || text.trim() === '' ? null : namesIn(text);
}

/** A list of names, or of what has a name: as JSON, as Python writes it, or separated by commas. */
export function namesIn(text: string): string[] {
  for (const json of [text, text.replaceAll("'", '"')]) {
    const value = jsonIn(json);
    if (!Array.isArray(value)) continue;
    const names = value.map((each: unknown) => (typeof each === 'string' ? each : objectOf(each)['name']));
    if (names.every((name) => typeof name === 'string')) return names;
  }
  return text.split(',').map((name) => name.trim());
}

function countParameters(model: ModelProto): number {
  let count = 0;
  for (const tensor of allTensors(model)) count += tensor.dims.reduce((product, size) => product * size, 1);
  for (const node of allNodes(model)) for (const { floats } of node.attribute) count += floats.length;
  return count;
}

function countOperators(model: ModelProto): Record<string, number> {
  const counts = new Map<string, number>();
  for (const node of allNodes(model)) counts.set(operatorName(node), (counts.get(operatorName(node)) ?? 0) + 1);
  return Object.fromEntries([...counts].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function operatorName(node: NodeProto): string {
  return domainName(node.domain) === 'ai.onnx' ? node.opType : `${node.domain}::${node.opType}`;
}

/** Domains whose operators onnxruntime has. */
const knownDomains =
  /^(?:ai\.onnx(?:\.ml|\.training|\.preview(?:\.training)?)?|com\.microsoft(?:\..+)?|com\.ms\..+|org\.pytorch\.aten)$/u;

function problems(model: ModelProto, inputs: readonly TensorDeclaration[], counts: Record<string, number>): string[] {
  const declared = new Set(model.opsetImport.map(({ domain }) => domainName(domain)));
  const local = new Set(model.functions.map(({ domain, name }) => `${domain}::${name}`));
  const found = new Set<string>();
  for (const node of allNodes(model)) {
    const domain = domainName(node.domain);
    if (local.has(`${node.domain}::${node.opType}`)) continue;
    if (!knownDomains.test(domain)) {
      found.add(
        `The model needs operator ${domain}::${node.opType}, which this runtime does not have (a custom operator library?)`,
      );
    } else if (!declared.has(domain)) {
      found.add(`The model uses operators of domain ${domain} but does not declare it (opset_import)`);
    }
  }
  for (const { name, shape } of inputs) {
    if (shape?.[0] === 0) found.add(`The first dimension of input ${name} is 0: it takes no rows`);
    const [stated, needed] = [shape?.length === 2 ? shape[1] : undefined, countOf(counts, name)];
    // One feature may be set against several numbers before the weights.
    if (typeof stated === 'number' && stated !== 1 && needed !== undefined && stated !== needed) {
      found.add(`The model contradicts itself: input ${name} has ${stated} features, its first weights need ${needed}`);
    }
  }
  return [...found].slice(0, 20);
}

/** Operators that keep the number of columns. */
const keepsWidth = new Set(['Cast', 'Identity', 'Imputer', 'Normalizer', 'Scaler', 'Sub', 'Div', 'Mul', 'Add']);

/** Rows of the first weight matrix that an input meets, through operators that keep its width. */
function featuresByWeights(graph: GraphProto, input: string): number | null {
  const shapes = new Map(graph.initializer.map((tensor) => [tensor.name, tensor.dims]));
  let name = input;
  for (let steps = 0; steps < 10; steps += 1) {
    const node = graph.node.find((each) => each.input[0] === name);
    if (node === undefined) return null;
    const weights = shapes.get(node.input[1] ?? '');
    if (node.opType === 'MatMul') return weights?.length === 2 ? (weights[0] as number) : null;
    if (node.opType === 'Gemm') {
      if (weights?.length !== 2 || node.attribute.some(({ name: key, i }) => key === 'transA' && i !== 0)) return null;
      const transposed = node.attribute.some(({ name: key, i }) => key === 'transB' && i !== 0);
      return weights[transposed ? 1 : 0] as number;
    }
    if (!keepsWidth.has(node.opType) || (node.input.length > 1 && weights === undefined)) return null;
    name = node.output[0] ?? '';
  }
  return null;
}
