/** Of one job and of all in a run ("Workflow syntax": an output is at most 1 MB, all in a run 50 MB; google/osv-scanner-action#129). */
export const outputLimits = { jobBytes: 1_048_576, runBytes: 52_428_800 };

/** What outputs weigh: "the size is approximated based on UTF-16 encoding". */
export function bytesOf(outputs: Record<string, string>): number {
  return Object.values(outputs).reduce((sum, value) => sum + value.length * 2, 0);
}
