/** A half-open span of time, in milliseconds since 1970. */
export interface Window {
  start: number;
  end: number;
}

export const day = 86_400_000;

/**
 * The windows to look at: from the last recorded end, or from the first row, up to the last one that is complete now. Never "the last
 * day": a schedule comes hours late or twice, and each window is looked at once.
 * @param first time of the first row, where nothing is recorded yet
 */
export function dueWindows(input: {
  length: number;
  delay: number;
  now: number;
  recordedUntil: number | null;
  first: number | null;
}): Window[] {
  const { length, delay, now, recordedUntil, first } = input;
  const complete = Math.floor((now - delay) / length) * length;
  const from = recordedUntil ?? (first === null ? complete : Math.floor(first / length) * length);
  const windows: Window[] = [];
  for (let start = from; start + length <= complete; start += length) windows.push({ start, end: start + length });
  return windows;
}

/** Position of each time in consecutive windows of one length; -1 outside. */
export function positionsIn(windows: readonly Window[], times: Float64Array): Int32Array {
  const [first, last] = [windows[0], windows.at(-1)];
  if (first === undefined || last === undefined) return new Int32Array(times.length).fill(-1);
  const length = first.end - first.start;
  return Int32Array.from(times, (time) =>
    time >= first.start && time < last.end ? Math.floor((time - first.start) / length) : -1,
  );
}
