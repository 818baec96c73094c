/*
 * The part of the ONNX format (onnx.proto, Copyright (c) ONNX Project Contributors, Apache-2.0,
 * https://github.com/onnx/onnx/blob/main/onnx/onnx.proto) that inspection reads, as a protobufjs descriptor.
 * Weights themselves (float_data, double_data) are left out on purpose: they are skipped, not decoded. raw_data is a view, no copy.
 */

type Field = { type: string; id: number; rule?: 'repeated' };
const field = (type: string, id: number): Field => ({ type, id });
const repeated = (type: string, id: number): Field => ({ type, id, rule: 'repeated' });

export const onnxDescriptor = {
  nested: {
    ModelProto: {
      fields: {
        irVersion: field('int64', 1),
        producerName: field('string', 2),
        producerVersion: field('string', 3),
        domain: field('string', 4),
        modelVersion: field('int64', 5),
        docString: field('string', 6),
        graph: field('GraphProto', 7),
        opsetImport: repeated('OperatorSetIdProto', 8),
        metadataProps: repeated('StringStringEntryProto', 14),
        functions: repeated('FunctionProto', 25),
      },
    },
    OperatorSetIdProto: { fields: { domain: field('string', 1), version: field('int64', 2) } },
    StringStringEntryProto: { fields: { key: field('string', 1), value: field('string', 2) } },
    FunctionProto: {
      fields: {
        name: field('string', 1),
        node: repeated('NodeProto', 7),
        domain: field('string', 10),
      },
    },
    GraphProto: {
      fields: {
        node: repeated('NodeProto', 1),
        name: field('string', 2),
        initializer: repeated('TensorProto', 5),
        input: repeated('ValueInfoProto', 11),
        output: repeated('ValueInfoProto', 12),
        sparseInitializer: repeated('SparseTensorProto', 15),
      },
    },
    NodeProto: {
      fields: {
        input: repeated('string', 1),
        output: repeated('string', 2),
        name: field('string', 3),
        opType: field('string', 4),
        attribute: repeated('AttributeProto', 5),
        domain: field('string', 7),
      },
    },
    AttributeProto: {
      fields: {
        name: field('string', 1),
        i: field('int64', 3),
        t: field('TensorProto', 5),
        g: field('GraphProto', 6),
        floats: repeated('float', 7),
        ints: repeated('int64', 8),
        strings: repeated('bytes', 9),
        tensors: repeated('TensorProto', 10),
        graphs: repeated('GraphProto', 11),
      },
    },
    TensorProto: {
      fields: {
        dims: repeated('int64', 1),
        dataType: field('int32', 2),
        int32Data: repeated('int32', 5),
        stringData: repeated('bytes', 6),
        int64Data: repeated('int64', 7),
        name: field('string', 8),
        rawData: field('bytes', 9),
        externalData: repeated('StringStringEntryProto', 13),
        dataLocation: field('int32', 14),
      },
    },
    SparseTensorProto: {
      fields: { values: field('TensorProto', 1), indices: field('TensorProto', 2), dims: repeated('int64', 3) },
    },
    ValueInfoProto: { fields: { name: field('string', 1), type: field('TypeProto', 2) } },
    TypeProto: {
      fields: {
        tensorType: field('TensorTypeProto', 1),
        sequenceType: field('SequenceTypeProto', 4),
        mapType: field('MapTypeProto', 5),
        sparseTensorType: field('TensorTypeProto', 8),
        optionalType: field('SequenceTypeProto', 9),
      },
    },
    TensorTypeProto: { fields: { elemType: field('int32', 1), shape: field('TensorShapeProto', 2) } },
    SequenceTypeProto: { fields: { elemType: field('TypeProto', 1) } },
    MapTypeProto: { fields: { keyType: field('int32', 1), valueType: field('TypeProto', 2) } },
    TensorShapeProto: { fields: { dim: repeated('DimensionProto', 1) } },
    DimensionProto: {
      oneofs: { value: { oneof: ['dimValue', 'dimParam'] } },
      fields: { dimValue: field('int64', 1), dimParam: field('string', 2) },
    },
  },
};

/* What decoding gives: absent scalars have their default, absent messages are null, int64 become numbers. */

export interface ModelProto {
  irVersion: number;
  producerName: string;
  producerVersion: string;
  domain: string;
  modelVersion: number;
  docString: string;
  graph: GraphProto | null;
  opsetImport: { domain: string; version: number }[];
  metadataProps: { key: string; value: string }[];
  functions: { name: string; domain: string; node: NodeProto[] }[];
}
export interface GraphProto {
  node: NodeProto[];
  name: string;
  initializer: TensorProto[];
  input: ValueInfoProto[];
  output: ValueInfoProto[];
  sparseInitializer: { values: TensorProto | null; indices: TensorProto | null }[];
}
export interface NodeProto {
  input: string[];
  output: string[];
  name: string;
  opType: string;
  domain: string;
  attribute: AttributeProto[];
}
export interface AttributeProto {
  name: string;
  i: number;
  t: TensorProto | null;
  g: GraphProto | null;
  floats: number[];
  ints: number[];
  strings: Uint8Array[];
  tensors: TensorProto[];
  graphs: GraphProto[];
}
export interface TensorProto {
  dims: number[];
  dataType: number;
  int32Data: number[];
  stringData: Uint8Array[];
  int64Data: number[];
  name: string;
  /** A view of the file. */
  rawData: Uint8Array;
  externalData: { key: string; value: string }[];
  dataLocation: number;
}
export interface ValueInfoProto {
  name: string;
  type: TypeProto | null;
}
export interface TypeProto {
  tensorType: {
    elemType: number;
    shape: { dim: { value?: string; dimValue: number; dimParam: string }[] } | null;
  } | null;
  sequenceType: { elemType: TypeProto | null } | null;
  mapType: { keyType: number; valueType: TypeProto | null } | null;
  sparseTensorType: object | null;
  optionalType: { elemType: TypeProto | null } | null;
}
