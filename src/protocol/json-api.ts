/** What is said over HTTP where it is not the Open Inference Protocol: a path, a form of requests and a place of the answers. */
export interface JsonApi {
  /** Path of the predictions; absent: it must be configured. */
  path?: string;
  /** Where it tells that it is ready; absent: any answer below 500 from `/` will do. */
  health?: string;
  /** The form of requests; see template.ts. */
  request?: unknown;
  /** Pointer to what is predicted for each row, where the protocol fixes it: scores or labels, as the server likes. */
  predictions?: string;
}

/** The published forms of requests over JSON, by protocol. `model` is the name in the URL. */
export function publishedApi(protocol: string, model: string): JsonApi {
  const name = encodeURIComponent(model);
  const predictions = '/predictions/*';
  const rows = { $each: '{{$features}}' };
  const first = { path: `/v1/models/${name}:predict`, health: `/v1/models/${name}`, predictions };
  switch (protocol) {
    // https://kserve.github.io/website/latest/modelserving/data_plane/v1_protocol
    case 'kserve-v1':
      return { ...first, request: { instances: rows } };
    // https://www.tensorflow.org/tfx/serving/api_rest: the same paths and the row format of KServe's first protocol
    case 'tensorflow-serving':
      return { ...first, request: { signature_name: 'serving_default', instances: rows } };
    // https://mlflow.org/docs/latest/deployment/deploy-model-locally: dataframe_split of the forms that /invocations reads
    case 'mlflow': {
      const request = { dataframe_split: { columns: '{{$columns}}', data: rows } };
      return { path: '/invocations', health: '/health', request, predictions };
    }
    // https://pytorch.org/serve/inference_api.html: what is in the body, and what comes back, is for the handler to say
    case 'torchserve':
      return { path: `/predictions/${name}`, health: '/ping', request: { instances: rows }, predictions };
    default:
      return {};
  }
}
