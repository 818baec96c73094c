/** Where a stage tells how it goes. Injected, so that a stage never knows whether a terminal or a workflow reads it. */
export interface Log {
  info(message: string): void;
  warning(message: string): void;
  debug(message: string): void;
  /** Run `work` under a heading: a collapsible group in a workflow log, a plain heading on a terminal. */
  group<T>(title: string, work: () => Promise<T>): Promise<T>;
  /** Report progress of long work: `done` of `total` units (rows, requests, seconds). Rate-limited by the implementation. */
  progress(title: string, done: number, total: number): void;
}

/** A log that says nothing. */
export const silentLog: Log = {
  info() {},
  warning() {},
  debug() {},
  group: (_title, work) => work(),
  progress() {},
};
