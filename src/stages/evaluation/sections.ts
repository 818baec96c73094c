import type { Evidence } from '../../evidence/index.ts';
import { checkTable } from '../../report/checks.ts';
import { againstAnchor, slices } from '../../report/comparisons.ts';
import { metricRowsOf, metricsTable } from '../../report/metrics.ts';
import type { Section } from '../../report/section.ts';
import { isOpen, worstFirst } from '../../report/standing.ts';
import { trainingSection } from '../../report/training.ts';
import { changedDecisions, confusion, doubtfulLabels, heatMap } from './breakdowns.ts';
import { charts } from './charts.ts';
import { leaderboardSection } from './leaderboard-section.ts';

/** What the report shows of every comparison is left out here: see `comparisons`. */
export function sections(evidence: Evidence): Section[] {
  const compared = evidence.checks.some(({ comparison }) => comparison !== undefined);
  return [
    leaderboardSection(evidence),
    againstAnchor({ evidence: [evidence] }),
    slices({ evidence: [evidence] }),
    heatMap(evidence),
    changedDecisions(evidence),
    confusion(evidence),
    doubtfulLabels(evidence),
    otherChecks(evidence),
    // Of a first model there is nothing better to show at a glance.
    { ...metricsTable('All metrics', metricRowsOf([evidence])), brief: !compared },
    trainingSection([evidence]),
    { title: 'Curves', charts: charts(evidence), columns: [], rows: [], importance: 1 },
  ];
}

/** Floors, sanity, slices that were too small. */
function otherChecks(evidence: Evidence): Section {
  const checks = worstFirst([evidence]).filter((check) => check.comparison === undefined && !isOpen(check));
  return checkTable('Other checks', checks, 2);
}
