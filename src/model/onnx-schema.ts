/*
 * The ONNX format (onnx.proto, Copyright (c) ONNX Project Contributors, Apache-2.0,
 * https://github.com/onnx/onnx/blob/main/onnx/onnx.proto, up to IR version 14): every message and every field of it.
 * What is not in this list is refused (onnx-wire.ts), since a place nobody knows could hold weights that no digest covers.
 */

export interface Field {
  /** A scalar type of protobuf, `enum`, or the name of a message. */
  type: string;
  id: number;
  rule?: 'repeated';
  /** Inspection does not read it (weights above all): it is skipped, not decoded. */
  unread?: true;
}

const field = <T extends string>(type: T, id: number) => ({ type, id });
const repeated = <T extends string>(type: T, id: number) => ({ type, id, rule: 'repeated' as const });
const unread = <F extends Field>(each: F) => ({ ...each, unread: true as const });

const messages = {
  ModelProto: {
    irVersion: field('int64', 1),
    producerName: field('string', 2),
    producerVersion: field('string', 3),
    domain: field('string', 4),
    modelVersion: field('int64', 5),
    docString: field('string', 6),
    graph: field('GraphProto', 7),
    opsetImport: repeated('OperatorSetIdProto', 8),
    metadataProps: repeated('StringStringEntryProto', 14),
    trainingInfo: unread(repeated('TrainingInfoProto', 20)),
    functions: repeated('FunctionProto', 25),
    configuration: unread(repeated('DeviceConfigurationProto', 26)),
  },
  DeviceConfigurationProto: {
    name: field('string', 1),
    numDevices: field('int32', 2),
    device: repeated('string', 3),
  },
  TrainingInfoProto: {
    initialization: field('GraphProto', 1),
    algorithm: field('GraphProto', 2),
    initializationBinding: repeated('StringStringEntryProto', 3),
    updateBinding: repeated('StringStringEntryProto', 4),
  },
  OperatorSetIdProto: { domain: field('string', 1), version: field('int64', 2) },
  StringStringEntryProto: { key: field('string', 1), value: field('string', 2) },
  FunctionProto: {
    name: field('string', 1),
    input: unread(repeated('string', 4)),
    output: unread(repeated('string', 5)),
    attribute: unread(repeated('string', 6)),
    node: repeated('NodeProto', 7),
    docString: unread(field('string', 8)),
    opsetImport: unread(repeated('OperatorSetIdProto', 9)),
    domain: field('string', 10),
    attributeProto: unread(repeated('AttributeProto', 11)),
    valueInfo: unread(repeated('ValueInfoProto', 12)),
    overload: unread(field('string', 13)),
    metadataProps: unread(repeated('StringStringEntryProto', 14)),
  },
  GraphProto: {
    node: repeated('NodeProto', 1),
    name: field('string', 2),
    initializer: repeated('TensorProto', 5),
    docString: unread(field('string', 10)),
    input: repeated('ValueInfoProto', 11),
    output: repeated('ValueInfoProto', 12),
    valueInfo: unread(repeated('ValueInfoProto', 13)),
    quantizationAnnotation: unread(repeated('TensorAnnotation', 14)),
    sparseInitializer: repeated('SparseTensorProto', 15),
    metadataProps: unread(repeated('StringStringEntryProto', 16)),
  },
  TensorAnnotation: {
    tensorName: field('string', 1),
    quantParameterTensorNames: repeated('StringStringEntryProto', 2),
  },
  NodeProto: {
    input: repeated('string', 1),
    output: repeated('string', 2),
    name: field('string', 3),
    opType: field('string', 4),
    attribute: repeated('AttributeProto', 5),
    docString: unread(field('string', 6)),
    domain: field('string', 7),
    overload: unread(field('string', 8)),
    metadataProps: unread(repeated('StringStringEntryProto', 9)),
    deviceConfigurations: unread(repeated('NodeDeviceConfigurationProto', 10)),
  },
  NodeDeviceConfigurationProto: {
    configurationId: field('string', 1),
    shardingSpec: repeated('ShardingSpecProto', 2),
    pipelineStage: field('int32', 3),
  },
  ShardingSpecProto: {
    tensorName: field('string', 1),
    device: repeated('int64', 2),
    indexToDeviceGroupMap: repeated('IntIntListEntryProto', 3),
    shardedDim: repeated('ShardedDimProto', 4),
  },
  IntIntListEntryProto: { key: field('int64', 1), value: repeated('int64', 2) },
  ShardedDimProto: { axis: field('int64', 1), simpleSharding: repeated('SimpleShardedDimProto', 2) },
  SimpleShardedDimProto: {
    dimValue: field('int64', 1),
    dimParam: field('string', 2),
    numShards: field('int64', 3),
  },
  AttributeProto: {
    name: field('string', 1),
    f: unread(field('float', 2)),
    i: field('int64', 3),
    s: unread(field('bytes', 4)),
    t: field('TensorProto', 5),
    g: field('GraphProto', 6),
    floats: repeated('float', 7),
    ints: repeated('int64', 8),
    strings: repeated('bytes', 9),
    tensors: repeated('TensorProto', 10),
    graphs: repeated('GraphProto', 11),
    docString: unread(field('string', 13)),
    tp: unread(field('TypeProto', 14)),
    typeProtos: unread(repeated('TypeProto', 15)),
    type: unread(field('enum', 20)),
    refAttrName: unread(field('string', 21)),
    sparseTensor: unread(field('SparseTensorProto', 22)),
    sparseTensors: unread(repeated('SparseTensorProto', 23)),
  },
  TensorProto: {
    dims: repeated('int64', 1),
    dataType: field('int32', 2),
    segment: unread(field('Segment', 3)),
    floatData: unread(repeated('float', 4)),
    int32Data: repeated('int32', 5),
    stringData: repeated('bytes', 6),
    int64Data: repeated('int64', 7),
    name: field('string', 8),
    rawData: field('bytes', 9),
    doubleData: unread(repeated('double', 10)),
    uint64Data: unread(repeated('uint64', 11)),
    docString: unread(field('string', 12)),
    externalData: unread(repeated('StringStringEntryProto', 13)),
    dataLocation: unread(field('enum', 14)),
    metadataProps: unread(repeated('StringStringEntryProto', 16)),
  },
  Segment: { begin: field('int64', 1), end: field('int64', 2) },
  SparseTensorProto: {
    values: field('TensorProto', 1),
    indices: field('TensorProto', 2),
    dims: repeated('int64', 3),
  },
  ValueInfoProto: {
    name: field('string', 1),
    type: field('TypeProto', 2),
    docString: unread(field('string', 3)),
    metadataProps: unread(repeated('StringStringEntryProto', 4)),
  },
  TypeProto: {
    tensorType: field('TensorTypeProto', 1),
    sequenceType: field('SequenceTypeProto', 4),
    mapType: field('MapTypeProto', 5),
    denotation: unread(field('string', 6)),
    opaqueType: unread(field('OpaqueTypeProto', 7)),
    sparseTensorType: field('TensorTypeProto', 8),
    optionalType: field('SequenceTypeProto', 9),
  },
  TensorTypeProto: { elemType: field('int32', 1), shape: field('TensorShapeProto', 2) },
  SequenceTypeProto: { elemType: field('TypeProto', 1) },
  MapTypeProto: { keyType: field('int32', 1), valueType: field('TypeProto', 2) },
  OpaqueTypeProto: { domain: field('string', 1), name: field('string', 2) },
  TensorShapeProto: { dim: repeated('DimensionProto', 1) },
  DimensionProto: {
    dimValue: field('int64', 1),
    dimParam: field('string', 2),
    denotation: unread(field('string', 3)),
  },
};

/** Fields of every message by their names in JavaScript. */
export const onnxMessages: Readonly<Record<string, Readonly<Record<string, Field>>>> = messages;

/** The part that inspection reads, as a protobufjs descriptor. */
export const onnxDescriptor = {
  nested: Object.fromEntries(
    Object.entries(onnxMessages).map(([name, fields]) => [
      name,
      {
        ...(name === 'DimensionProto' ? { oneofs: { value: { oneof: ['dimValue', 'dimParam'] } } } : {}),
        fields: Object.fromEntries(Object.entries(fields).filter(([, each]) => each.unread !== true)),
      },
    ]),
  ),
};

/* What decoding gives: absent scalars have their default, absent messages are null, int64 become numbers. Bytes are a view of the file. */

type Name = keyof typeof messages;
type Fields<N extends Name> = (typeof messages)[N];
type Element<T> = T extends Name ? Message<T> : T extends 'string' ? string : T extends 'bytes' ? Uint8Array : number;
type Decoded<F> = F extends { type: infer T; rule: 'repeated' }
  ? Element<T>[]
  : F extends { type: infer T }
    ? Element<T> | (T extends Name ? null : never)
    : never;
type Message<N extends Name> = {
  [Key in keyof Fields<N> as Fields<N>[Key] extends { unread: true } ? never : Key]: Decoded<Fields<N>[Key]>;
};

export type ModelProto = Message<'ModelProto'> & {
  /** Files it keeps tensors in, at whatever place: location as written in the model -> bytes the file must have at least. */
  externalData: Map<string, number>;
};
export type GraphProto = Message<'GraphProto'>;
export type NodeProto = Message<'NodeProto'>;
export type AttributeProto = Message<'AttributeProto'>;
export type TensorProto = Message<'TensorProto'>;
export type ValueInfoProto = Message<'ValueInfoProto'>;
export type TypeProto = Message<'TypeProto'>;
/** `value` names the one of both that is there. */
export type DimensionProto = Message<'DimensionProto'> & { value?: string };
