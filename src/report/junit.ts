import type { Check, Evidence } from '../evidence/index.ts';
import { xmlText } from './escape.ts';
import type { ReportInput } from './standing.ts';

/**
 * The checks as JUnit XML: one suite a stage, one case a check. A blocking check that failed is a failure, one that is
 * inconclusive an error; a warning passes and says so in its output.
 */
export function renderJunit({ evidence }: ReportInput): string {
  const suites = evidence.map(suite);
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="contender">\n${suites.join('')}</testsuites>\n`;
}

function suite(evidence: Evidence): string {
  const { checks, kind, model, startedAt, finishedAt } = evidence;
  const tally = (verdict: string): number =>
    checks.filter((check) => check.severity === 'block' && check.verdict === verdict).length;
  const skipped = checks.filter((check) => check.verdict === 'skipped').length;
  const seconds = Math.max(0, Date.parse(finishedAt) - Date.parse(startedAt)) / 1000;
  const attributes = {
    name: `${model}/${kind}`,
    tests: checks.length,
    failures: tally('fail'),
    errors: tally('inconclusive'),
    skipped,
    time: Number.isFinite(seconds) ? seconds : 0,
    timestamp: startedAt,
  };
  return `  <testsuite${text(attributes)}>\n${checks.map((check) => testCase(check, evidence)).join('')}  </testsuite>\n`;
}

function testCase(check: Check, { model, kind }: Evidence): string {
  const attributes = {
    name: check.id,
    classname: `${model}.${kind}`,
    file: check.location?.file,
    line: check.location?.line,
  };
  return `    <testcase${text(attributes)}>${result(check)}</testcase>\n`;
}

function result(check: Check): string {
  const attributes = text({ message: check.message, type: check.verdict });
  if (check.verdict === 'skipped') return `<skipped${text({ message: check.message })}/>`;
  if (check.verdict === 'pass') return '';
  if (check.severity !== 'block') return `<system-out>${xmlText(`${check.severity}: ${check.message}`)}</system-out>`;
  return check.verdict === 'fail' ? `<failure${attributes}/>` : `<error${attributes}/>`;
}

function text(attributes: Record<string, string | number | undefined>): string {
  return Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => ` ${name}="${xmlText(String(value))}"`)
    .join('');
}
