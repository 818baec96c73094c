import { ModelError, SystemError, type Fault } from '../errors.ts';

/** What onnxruntime says when it refuses a model, in the words of someone who must mend it: the model, or the machine. */
export function explainLoadError(cause: unknown, uri: string): ModelError | SystemError {
  const text = cause instanceof Error ? cause.message : String(cause);
  const told = (fault: Fault): ModelError => new ModelError({ ...fault, where: uri, cause });
  const locale = /Failed to construct locale with name:([\w.@-]+)/u.exec(text);
  if (locale !== null) {
    return new SystemError({
      found: `the model changes upper and lower case with the locale ${locale[1]} (StringNormalizer), which is not installed on this machine`,
      where: uri,
      remedy: 'Install it: on Ubuntu the package language-pack-en for en_US.UTF-8, on Debian the package locales-all',
      cause,
    });
  }
  const opset = /Opset (\d+) is under development[\s\S]*domain (\S+) is till opset (\d+)/u.exec(text);
  if (opset !== null) {
    return told({
      found: `the model needs ONNX opset ${opset[1]} of domain ${opset[2]}; this runtime supports up to ${opset[3]}`,
      remedy: 'Export it with a lower opset',
    });
  }
  const version = /Unsupported model IR version: (\d+), max supported IR version: (\d+)/u.exec(text);
  if (version !== null) {
    return told({
      found: `the model has ONNX IR version ${version[1]}; this runtime supports up to ${version[2]}`,
      remedy: 'Export it with an older version of the exporter, or set its IR version lower',
    });
  }
  const operator = /(\S+?):([A-Za-z0-9_]+)\(-?\d+\) is not a registered function\/op/u.exec(text);
  if (operator !== null) {
    return new ModelError({
      found: `the model needs operator ${operator[1]}::${operator[2]}, which this runtime does not have (a custom operator library?)`,
      where: uri,
      cause,
    });
  }
  const types = /Optype \((\S+)\) bound to different types \(tensor\((\w+)\) and tensor\((\w+)\)/u.exec(text);
  if (types !== null) {
    return told({
      found: `the graph is not valid: node ${types[1]} gets ${types[2]} and ${types[3]} inputs`,
      remedy: 'Export the model again',
    });
  }
  if (text.includes('Protobuf parsing failed')) {
    return told({
      found: 'the file is truncated or damaged (protobuf parsing failed)',
      remedy: 'Upload it again and compare its size or sha256 with the source',
    });
  }
  return new ModelError({ found: `the model cannot be loaded: ${firstLine(cause)}`, where: uri, cause });
}

/** What onnxruntime says when a loaded model fails on its input. */
export function explainRunError(cause: unknown, uri: string): ModelError {
  const text = cause instanceof Error ? cause.message : String(cause);
  const shape = /Got invalid dimensions for input: (\S+)[\s\S]*?Got: (\d+) Expected: (\d+)/u.exec(text);
  // An exporter that traced one batch may write its size into the graph, whatever the inputs declare.
  const traced = /cannot be reshaped|input_shape_size|dimension mismatch/iu.test(text);
  return new ModelError({
    found:
      shape === null
        ? `the model fails on its input: ${firstLine(cause)}`
        : `input ${shape[1]} expects ${shape[3]} but gets ${shape[2]}`,
    where: uri,
    remedy:
      shape !== null
        ? 'Check columns.features against the inputs of the model (contender inspect)'
        : traced
          ? 'Export the model again with a dynamic batch size, or with the batch size fixed in its inputs too: the graph seems to contain the batch size of the export'
          : undefined,
    cause,
  });
}

/** The telling line of an error of the runtime, without its source files and folders. */
function firstLine(cause: unknown): string {
  const text = cause instanceof Error ? cause.message : String(cause);
  return text
    .replace(/^Load model from .*? failed:/u, '')
    .replace(/\/onnxruntime_src\/\S+ /gu, '')
    .split('\n')[0]
    ?.slice(0, 400) as string;
}
