import { join } from 'node:path';
import { drawing } from '../../report/draw.ts';
import { renderHtml } from '../../report/html.ts';
import { dashboardReport } from '../../report/monitoring/sections.ts';
import type { Workspace } from '../workspace.ts';
import { writeWhole } from '../writing.ts';
import type { MonitorResult } from './monitor.ts';

/** Write what is recorded as one page, `<out>/<model>/monitoring.html`, for teams without a dashboard. Returns its path. */
export async function writeDashboard(workspace: Workspace, result: MonitorResult): Promise<string> {
  const path = join(workspace.out, 'monitoring.html');
  const { records, observations, findings, evidence } = result;
  const report = dashboardReport({ records, observations, findings });
  await writeWhole(path, renderHtml({ decision: null, evidence: [evidence], stages: [report] }, await drawing()));
  return path;
}
