import { createHash } from 'node:crypto';
import type { Check } from '../evidence/index.ts';
import { version } from '../version.ts';
import { oneLine } from './escape.ts';
import { isOpen, worstFirst, type Result } from './standing.ts';
import { withWaivers } from './waived.ts';

/**
 * The checks that did not pass as SARIF 2.1.0, which code scanning shows at file and line: a rule of each check, a result where it
 * failed. A check without a place is left out: a result of code scanning has one.
 */
export function renderSarif(given: Result): string {
  const input = withWaivers(given);
  const open = worstFirst(input.evidence, input.decision).filter(
    (check): check is Check & { location: NonNullable<Check['location']> } =>
      isOpen(check) && check.location !== undefined,
  );
  const ids = [...new Set(open.map(({ id }) => id))];
  const run = {
    tool: {
      driver: {
        name: 'Contender',
        version,
        informationUri: 'https://github.com/contender/contender',
        rules: ids.map((id) => {
          const title = open.find((check) => check.id === id)?.title ?? id;
          return { id, name: id, shortDescription: { text: oneLine(title) } };
        }),
      },
    },
    columnKind: 'utf16CodeUnits',
    results: open.map((check) => ({
      ruleId: check.id,
      ruleIndex: ids.indexOf(check.id),
      level: levelOf(check),
      message: { text: oneLine(check.message) },
      locations: [{ physicalLocation: placeOf(check.location) }],
      // The same finding in the next run, wherever its line has moved to.
      partialFingerprints: { 'contender/v1': createHash('sha256').update(check.id).digest('hex') },
    })),
  };
  const log = { $schema: 'https://json.schemastore.org/sarif-2.1.0.json', version: '2.1.0', runs: [run] };
  return `${JSON.stringify(log, null, 2)}\n`;
}

function levelOf({ severity, verdict }: Check): 'error' | 'warning' | 'note' {
  if (severity === 'info') return 'note';
  return severity === 'block' && verdict === 'fail' ? 'error' : 'warning';
}

function placeOf({ file, line, column }: NonNullable<Check['location']>): object {
  const artifactLocation = { uri: file.split('/').map(encodeURIComponent).join('/') };
  if (line === undefined) return { artifactLocation };
  return { artifactLocation, region: { startLine: line, ...(column === undefined ? {} : { startColumn: column }) } };
}
