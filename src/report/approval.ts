import type { Approval } from '../evidence/index.ts';

/** Who approved, when, where and why: `by grace at 2026-01-02T03:04:05Z, review of pull request 12: Seen.` */
export function approvalText({ by, at, source, reason }: Approval): string {
  return `by ${by} at ${at}${source === undefined ? '' : `, ${source}`}${reason === undefined ? '' : `: ${reason}`}`;
}
