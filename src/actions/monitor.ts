import { join } from 'node:path';
import { runContext } from '../github/context.ts';
import { gitHubOf } from '../github/access.ts';
import { eventPayload } from '../github/run-place.ts';
import { alert } from '../pipeline/monitoring/alerts.ts';
import { writeDashboard } from '../pipeline/monitoring/dashboard.ts';
import { runMonitor } from '../pipeline/monitoring/monitor.ts';
import { monitorReport } from '../report/monitoring/sections.ts';
import { headline } from '../report/index.ts';
import { openActionWorkspace, report, runAction } from './action.ts';
import { boolean, commonInputs, recordInput } from './inputs.ts';

/** Looks at production since the last time, remembers it, and tells what was found. */
await runAction(['verdict', 'headline', 'alarms', 'advice', 'evidence', 'dashboard', 'metrics'], async (context) => {
  const run = runContext(process.env, await eventPayload(process.env));
  const inputs = await commonInputs(process.env);
  const record = recordInput(run);
  const failOnAlarm = boolean('fail-on-alarm', false);
  const workspace = await openActionWorkspace(inputs, context);
  const now = new Date();
  const result = await runMonitor(workspace, { now, record });
  const github = await gitHubOf(workspace.github, workspace);
  if (record) await alert(workspace, result, { github, now, env: process.env });
  const dashboard = await writeDashboard(workspace, result);
  const open = (level: string): string =>
    JSON.stringify(
      result.findings.filter((each) => each.closed === null && each.level === level).map(({ signal }) => signal),
    );
  const said = { decision: null, evidence: [result.evidence] };
  context.setOutputs({
    verdict: result.evidence.verdict,
    headline: headline(said),
    alarms: open('alarm'),
    advice: open('advice'),
    evidence: join(workspace.out, 'evidence', 'monitor.json'),
    dashboard,
    metrics: join(workspace.out, 'metrics.prom'),
  });
  const fail = await report(said, workspace, inputs, [monitorReport]);
  if (result.evidence.verdict === 'fail' && failOnAlarm) fail(headline(said));
});
