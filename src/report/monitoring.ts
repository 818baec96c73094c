import type { Evidence } from '../evidence/index.ts';
import type { StageReport } from './section.ts';

/* How reports show what is judged after the promotion. */

export const batchReport: StageReport = {
  kind: 'batch',
  title: 'Batch of predictions',
  reportOrder: 10,
  sections: (_evidence: Evidence) => [],
};
