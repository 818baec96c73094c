import { allTensors, type ModelProto } from './onnx.ts';

const external = 1;

/** Files the model keeps weights in: location as written in the model -> bytes it must have at least. */
export function externalData(model: ModelProto): Map<string, number> {
  const files = new Map<string, number>();
  for (const tensor of allTensors(model)) {
    if (tensor.dataLocation !== external) continue;
    const entry = (key: string): string => tensor.externalData.find((each) => each.key === key)?.value ?? '';
    const location = entry('location');
    const end = Number(entry('offset') || 0) + Number(entry('length') || 0);
    files.set(location, Math.max(files.get(location) ?? 0, Number.isFinite(end) ? end : 0));
  }
  return files;
}
