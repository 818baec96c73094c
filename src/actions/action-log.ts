import * as core from '@actions/core';
import type { Log } from '../log.ts';
import { withoutWorkflowCommands } from '../report/escape.ts';

const progressEveryMs = 10_000;

/** A log for a workflow: groups fold, warnings are annotations, and no text of a stranger is a command to the runner. */
export function actionLog(): Log {
  let last = 0;
  return {
    info: (message) => core.info(withoutWorkflowCommands(message)),
    warning: (message) => core.warning(message),
    debug: (message) => core.debug(message),
    group: (title, work) => core.group(title, work),
    progress(title, done, total) {
      const now = Date.now();
      if (now - last < progressEveryMs && done < total) return;
      last = now;
      core.info(withoutWorkflowCommands(`${title}: ${done} of ${total}`));
    },
  };
}
