import type { Evidence } from '../../evidence/index.ts';
import { checksSection } from '../../report/checks.ts';
import type { Section } from '../../report/section.ts';

export function sections(evidence: Evidence): Section[] {
  return [checksSection('Under load', evidence)];
}
