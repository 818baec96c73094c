/** Paths of the Open Inference Protocol v2, relative to the base URL of a server. */
export const readyPath = '/v2/health/ready';

export function modelPath(model: string): string {
  return `/v2/models/${encodeURIComponent(model)}`;
}

export function inferPath(model: string): string {
  return `${modelPath(model)}/infer`;
}
