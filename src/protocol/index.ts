/** The Open Inference Protocol v2 over HTTP with JSON, as the KServe project specifies it; shared by server and load test. */
export { datatypeOf, datatypes, isDatatype, isFloating, onnxTypeOf, type Datatype } from './datatype.ts';
export { parseJson, quote } from './json.ts';
export { publishedApi, type JsonApi } from './json-api.ts';
export { isOfRows, rowPointer, type RowPointer } from './pointer.ts';
export { formUse, requestWriter, type FormUse } from './template.ts';
export { inferPath, modelPath, readyPath } from './paths.ts';
export { inferRequest, readInferRequest, RequestError } from './request.ts';
export type { FeatureColumn, FeatureRows, InferRequest } from './request.ts';
export { readModelMetadata } from './metadata.ts';
export { inferResponse, readInferResponse } from './response.ts';
export type { ModelMetadata, Tensor, TensorMetadata } from './tensor.ts';
