import type { Evidence } from '../evidence/index.ts';
import { checksSection } from './checks.ts';
import type { Section, StageReport } from './section.ts';

/** The sections of all evidence, in the order of the report; evidence of no stage that is known shows its checks. */
export function stageSections(evidence: readonly Evidence[], stages: readonly StageReport[]): Section[] {
  const kinds = stages.map(({ kind }) => kind);
  return [
    ...stages
      .toSorted((a, b) => a.reportOrder - b.reportOrder)
      .flatMap((stage) => evidence.filter(({ kind }) => kind === stage.kind).flatMap((each) => stage.sections(each))),
    ...evidence.filter(({ kind }) => !kinds.includes(kind)).map((each) => checksSection(each.kind, each)),
  ];
}
