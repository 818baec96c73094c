import type { Check, Evidence } from '../evidence/index.ts';
import { xmlText } from './escape.ts';
import { headline } from './headline.ts';
import { isOpen, type Result } from './standing.ts';
import { withWaivers } from './waived.ts';

/** One case of a suite: a name and what came of it. */
interface Case {
  name: string;
  message: string;
  result: 'passed' | 'failure' | 'error' | 'skipped' | 'warning';
  /** `file:line` where there is one. */
  place?: string;
}

interface Suite {
  name: string;
  cases: Case[];
  seconds: number;
  /** ISO 8601, UTC. */
  timestamp: string;
}

/**
 * The checks as JUnit XML: one suite a stage, one case a check, and a suite for the decision. A blocking check that failed
 * is a failure, one that is inconclusive an error; a warning passes and says so in its output. Only elements and
 * attributes that the schemas of Jenkins (junit-10.xsd) and Ant (JUnit.xsd) share; times are UTC without a zone, as these want them.
 */
export function renderJunit(given: Result): string {
  const input = withWaivers(given);
  const suites = [...input.evidence.map(ofEvidence), ...ofDecision(input)];
  const attributes = { name: 'contender', ...totals(suites.flatMap(({ cases }) => cases)) };
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites${text(attributes)}>\n${suites.map(suite).join('')}</testsuites>\n`;
}

function ofEvidence({ checks, kind, model, startedAt, finishedAt }: Evidence): Suite {
  return {
    name: `${model}.${kind}`,
    cases: checks.map(ofCheck),
    seconds: (Date.parse(finishedAt) - Date.parse(startedAt)) / 1000,
    timestamp: startedAt,
  };
}

function ofCheck({ id, message, verdict, severity, location }: Check): Case {
  const open = severity === 'block' ? ({ fail: 'failure', inconclusive: 'error' } as const) : null;
  return {
    name: id,
    message: severity === 'block' ? message : `${severity}: ${message}`,
    result:
      verdict === 'pass' || verdict === 'skipped'
        ? ({ pass: 'passed', skipped: 'skipped' } as const)[verdict]
        : (open?.[verdict] ?? 'warning'),
    ...(location === undefined ? {} : { place: [location.file, location.line].filter(Boolean).join(':') }),
  };
}

/** A failure of its own only where a reason comes from no check, such as want of evidence: the others have failed already. */
function ofDecision(input: Result): Suite[] {
  const { decision, evidence } = input;
  if (decision === null) return [];
  const failed = new Set(
    evidence
      .flatMap(({ checks }) => checks.filter((check) => check.severity === 'block' && isOpen(check)))
      .map(({ id }) => id),
  );
  const explained =
    failed.size > 0 &&
    decision.reasons.every(
      ({ code, check }) =>
        code === 'waived' || code === 'waiver-not-needed' || (check !== undefined && failed.has(check)),
    );
  const held = explained ? 'warning' : 'error';
  const result = {
    promote: 'passed',
    'no-change': 'passed',
    reject: explained ? 'warning' : 'failure',
    hold: held,
  } as const;
  return [
    {
      name: `${decision.model}.decision`,
      cases: [{ name: decision.action, message: headline(input), result: result[decision.outcome] }],
      seconds: 0,
      timestamp: decision.time,
    },
  ];
}

function totals(cases: readonly Case[]): Record<'tests' | 'failures' | 'errors', number> {
  const count = (result: Case['result']): number => cases.filter((each) => each.result === result).length;
  return { tests: cases.length, failures: count('failure'), errors: count('error') };
}

function suite({ name, cases, seconds, timestamp }: Suite): string {
  const time = new Date(timestamp);
  const attributes = {
    name,
    ...totals(cases),
    skipped: cases.filter(({ result }) => result === 'skipped').length,
    time: (seconds > 0 ? seconds : 0).toFixed(3),
    timestamp: (Number.isNaN(time.getTime()) ? new Date(0) : time).toISOString().slice(0, 19),
  };
  return `  <testsuite${text(attributes)}>\n${cases.map((each) => testCase(name, each)).join('')}  </testsuite>\n`;
}

function testCase(classname: string, { name, message, result, place }: Case): string {
  const said = xmlText(place === undefined ? message : `${place}: ${message}`);
  const short = text({ message, type: result });
  const body = {
    passed: '',
    skipped: `<skipped${text({ message })}/>`,
    failure: `<failure${short}>${said}</failure>`,
    error: `<error${short}>${said}</error>`,
    warning: `<system-out>${said}</system-out>`,
  }[result];
  return `    <testcase${text({ classname, name, time: '0.000' })}>${body}</testcase>\n`;
}

function text(attributes: Record<string, string | number>): string {
  return Object.entries(attributes)
    .map(([name, value]) => ` ${name}="${xmlText(String(value))}"`)
    .join('');
}
