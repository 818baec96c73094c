import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { policySubject } from '../../src/config/index.ts';
import { stageFacts } from '../../src/pipeline/configuration.ts';
import type { ConfiguredModel } from '../support/configured-model.ts';
import { decide } from '../../src/decide/decide.ts';
import { buildEvidence, digest, type Artifact, type Check } from '../../src/evidence/index.ts';
import { commentCharacters } from '../../src/github/comment.ts';
import { headline, summaryLimit, type Result } from '../../src/report/index.ts';
import { markdownText } from '../../src/report/escape.ts';
import { hardHam } from './samples.ts';
import { renderComment, renderMarkdown } from '../support/report.ts';
import fc from '../support/properties.ts';

const place = { commit: '1'.repeat(40), runUrl: 'https://github.com/acme/models/actions/runs/7' };
const artifact = (name: string): Artifact => ({ role: 'model', uri: `file:${name}`, sha256: digest(name), size: 1 });
const [champion, candidate] = [artifact('champion.onnx'), artifact('candidate.onnx')];
const config: ConfiguredModel = {
  task: 'binary-classification',
  candidate: 'candidate.onnx',
  columns: { id: 'id', label: 'label' },
  data: { evaluation: 'eval.parquet' },
  policy: { primary: { metric: 'roc_auc', margin: 0.005 } },
};

/** Whatever a column of strangers' data may hold, some of it many bytes to a character. */
const anyText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 400 }),
  fc.constantFrom('<img src=x onerror=alert(1)>', '| a | b |', '@everyone', '\u{1f98a}'.repeat(200), '```'),
);
const anyVerdict = fc.constantFrom<Check['verdict']>('pass', 'pass', 'pass', 'skipped', 'inconclusive', 'fail');
const anySeverity = fc.constantFrom<Check['severity']>('block', 'block', 'warn', 'info');

/** 200 checks, of which each says its number. */
const checks = fc
  .array(fc.tuple(anyVerdict, anySeverity, anyText, fc.boolean()), { minLength: 200, maxLength: 200 })
  .map((drawn) =>
    drawn.map(([verdict, severity, text, compared], index): Check => {
      const slice = `${text} Number${index}z`;
      return {
        id: `evaluation/accuracy@${slice}`,
        title: `Accuracy on ${slice}`,
        verdict,
        severity,
        message: `Number${index}z tells: ${slice}`,
        observed: 0.5,
        required: 0.5,
        ...(compared ? { comparison: { ...hardHam, slice } } : {}),
      };
    }),
  );

describe('a model with 200 checks', () => {
  it('has a comment and a summary within what GitHub takes, which lead with the check that decided', () => {
    fc.assert(
      fc.property(checks, (drawn) => {
        const input = decided(drawn);
        const comment = renderComment(input, place, commentCharacters);
        const summary = renderMarkdown(input, { limit: summaryLimit });
        // GitHub counts the characters of a comment and the bytes of a summary: bytes are never fewer.
        assert.ok(Buffer.byteLength(comment) <= commentCharacters, `${Buffer.byteLength(comment)} bytes`);
        assert.ok(Buffer.byteLength(summary) <= summaryLimit, `${Buffer.byteLength(summary)} bytes`);
        const blocking = drawn.filter(({ severity }) => severity === 'block');
        // Of equal losses the first leads; what compares nothing comes before.
        const leading = (['fail', 'inconclusive'] as const).flatMap((verdict) =>
          blocking
            .filter((each) => each.verdict === verdict)
            .sort((a, b) => Number(a.comparison !== undefined) - Number(b.comparison !== undefined)),
        );
        const [worst] = leading;
        for (const text of [comment, summary]) {
          const [title = '', , sentence = ''] = text.split('\n');
          assert.match(title, /^## (?:✅|❌|⚠️|⏸️).* spam-filter: \w/u);
          assert.ok(sentence.includes(markdownText(headline(input))), sentence);
          if (worst !== undefined)
            assert.match(sentence, new RegExp(String.raw`${worst.message.split(' ')[0]} (?:tells|is)`, 'iu'));
        }
        const shown = drawn.filter((_, index) => comment.includes(`Number${index}z`)).length;
        const open = drawn.filter(({ verdict }) => verdict === 'fail' || verdict === 'inconclusive').length;
        if (shown < open) assert.match(comment, /left out for length/u);
      }),
      { numRuns: 30 },
    );
  });

  it('shows failures before doubts in each table, and first the table that holds what decided', () => {
    fc.assert(
      fc.property(checks, (drawn) => {
        const input = decided(drawn);
        const comment = renderComment(input, place, commentCharacters);
        const deciding = input.decision?.reasons[0]?.check;
        const start = (title: string): number => comment.search(new RegExp(`^### ${title}`, 'mu'));
        const [checked, compared] = [
          start('(?:Other c|C)hecks that did not pass'),
          start('Candidate against champion'),
        ];
        const decides = drawn.find(({ id }) => id === deciding);
        if (decides?.verdict === 'fail' && checked >= 0 && compared >= 0) {
          assert.equal(decides.comparison === undefined, checked < compared);
        }
        for (const from of [checked, compared].filter((at) => at >= 0)) {
          const [rows = ''] = comment
            .slice(from)
            .split(/\n\n(?!\|)/u)
            .filter((part) => part.includes('| Verdict |'));
          const verdicts = [...rows.matchAll(/^\| \S+&nbsp;(?<verdict>fail|inconclusive) \|/gmu)].map(
            (match) => match.groups?.['verdict'] ?? '',
          );
          assert.deepEqual(verdicts, verdicts.toSorted());
        }
      }),
      { numRuns: 10 },
    );
  });
});

/** What the gate makes of the checks. */
function decided(drawn: Check[]): Result {
  const evidence = [
    buildEvidence({
      kind: 'evaluation',
      model: 'spam-filter',
      subjects: {
        candidate,
        champion,
        datasets: { evaluation: { uri: 'eval.parquet', sha256: digest('eval'), rows: 2350 } },
      },
      policyDigest: digest(policySubject(config)),
      toolVersion: '0.1.0',
      startedAt: new Date('2026-01-02T03:04:05Z'),
      finishedAt: new Date('2026-01-02T03:04:07Z'),
      checks: drawn,
      details: {},
    }),
  ];
  const view = {
    champion: { version: '1.0.0', artifacts: [champion] },
    championSeq: 1,
    versions: ['1.0.0'],
    decisionsByDataset: {},
    registered: [],
    aliases: {},
    decisions: [],
  };
  const context = { now: new Date('2026-01-02T03:04:08Z'), actor: 'ada', source: {}, approvals: [] };
  const subject = { model: 'spam-filter', config, candidate, stages: stageFacts(config) };
  return { decision: decide(subject, evidence, view, context), evidence };
}
