import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Check, Comparison, Decision } from '../../src/evidence/index.ts';
import { commentCharacters } from '../../src/github/comment.ts';
import { annotations, annotationsPerLevel, type Result } from '../../src/report/index.ts';
import { check, decision, evidence, failedSlice, openRecall, recall, recorded, reportOf } from './samples.ts';
import { renderComment, renderConsole, renderHtml, renderMarkdown } from '../support/report.ts';
import fc from '../support/properties.ts';

const load = check({
  id: 'load/p95',
  title: 'p95 latency',
  observed: 3.25417,
  required: 50,
  limit: 'at most',
  unit: 'ms',
});
const rejected = {
  decision: decision({
    outcome: 'reject',
    reasons: [{ code: 'check-failed', message: failedSlice.message, check: failedSlice.id }],
  }),
  evidence: [
    evidence([check({ id: 'evaluation/floor' }), openRecall, failedSlice]),
    evidence([load], { kind: 'load' }),
  ],
};
const renderers = {
  markdown: (input: Parameters<typeof renderMarkdown>[0]) => renderMarkdown(input),
  html: (input: Parameters<typeof renderMarkdown>[0]) => renderHtml(input),
  console: (input: Parameters<typeof renderMarkdown>[0]) => renderConsole(input, { width: 120, colour: false }),
};

for (const [name, render] of Object.entries(renderers)) {
  describe(`the ${name} report`, () => {
    it('leads with the verdict and the numbers that decided it', () => {
      const text = render(rejected);
      const at = (part: string): number => text.search(new RegExp(part, 'iu'));
      assert.ok(at('rejected') >= 0 && at('rejected') < at('16\\.8 points below the champion'));
      assert.ok(at('16\\.8 points below') < at('Candidate against champion'));
    });

    it('goes on with what did not pass, slices, load, data and lineage, in this order', () => {
      const data = evidence([check({ id: 'data/rows', title: 'Rows of the data' })], { kind: 'data' });
      const passed = { ...failedSlice, id: 'evaluation/accuracy@source=spam', verdict: 'pass' as const };
      const text = render({ ...rejected, evidence: [data, ...rejected.evidence, evidence([passed])] });
      const titles = ['Candidate against champion', 'Slices that passed', 'Under load', 'Data', 'Lineage'];
      const order = titles.map((title) => text.search(new RegExp(`^.{0,40}${title}\\b`, 'mu'))).filter((at) => at >= 0);
      assert.deepEqual(
        order,
        order.toSorted((a, b) => a - b),
      );
      assert.ok(order.length >= (name === 'console' ? 3 : 5), text);
    });

    it('shows failures before what is inconclusive', () => {
      const text = render(rejected);
      const table = text.slice(text.indexOf('Candidate against champion'));
      assert.ok(table.indexOf('0.7041') > 0);
      assert.ok(table.indexOf('0.7041') < table.indexOf('0.9197'));
    });

    it('leads with the check that decided, whatever the order of the evidence', () => {
      const open = (id: string): Check =>
        check({ id, title: id, verdict: 'inconclusive', severity: 'block', message: `Of ${id}.` });
      const others = Array.from({ length: 20 }, (_, index) => open(`evaluation/other-${index}`));
      const decisive = open('evaluation/decisive');
      const reasons = [decisive, ...others].map(({ id, message }) => ({
        code: 'check-inconclusive',
        message,
        check: id,
      }));
      const text = render({ decision: decision({ reasons }), evidence: [evidence([...others, decisive])] });
      const table = text.slice(text.indexOf('Checks that did not pass'));
      assert.ok(table.indexOf('evaluation/decisive') > 0);
      assert.ok(table.indexOf('evaluation/decisive') < table.indexOf('evaluation/other-0'));
    });

    it('has the table first that holds what decided', () => {
      const slow = check({ ...load, verdict: 'fail', message: 'It is slow.', observed: 60 });
      const both = (...reasons: Check[]): Result => ({
        decision: decision({
          outcome: 'reject',
          reasons: reasons.map(({ id, message }) => ({ code: 'check-failed', message, check: id })),
        }),
        evidence: [evidence([failedSlice]), evidence([slow], { kind: 'load' })],
      });
      const order = (input: Result): boolean => {
        const text = render(input);
        return text.indexOf('Candidate against champion') < text.indexOf('Other checks that did not pass');
      };
      assert.equal(order(both(failedSlice, slow)), true);
      assert.equal(order(both(slow, failedSlice)), false);
    });

    it('says of every comparison what was required, in words, and how to read the numbers, once', () => {
      const text = render(rejected).replaceAll('&nbsp;', ' ');
      assert.match(text, /-16\.8 points.*-21\.8 to -12\.0.*no proven loss of\b.*more than 2 points/su);
      assert.match(text, /-1\.4 points.*-3\.5 to \+0\.7.*at most 1 point\b.*worse/su);
      assert.equal(text.match(/above 0 the candidate is better/gu)?.length, 1);
      assert.equal(text.match(/each\s+end\s+is\s+a\s+one-sided\s+95%\s+bound/gu)?.length, 1);
      assert.match(text, /90% interval/u);
    });

    it('says what to do, with the command for it, and suggests rows only where rows help', () => {
      const said = (input: Result): string =>
        /What to do:(?<said>.*?)(?:\n\n|<\/p>)/su.exec(render(input))?.groups?.['said']?.replace(/\s+/gu, ' ') ?? '';
      assert.match(said(rejected), /Improve the candidate on source=hard.*contender evaluate --model spam-filter/u);
      const plain = (over: Partial<Comparison>): string =>
        said({ decision: recorded(), evidence: [evidence([{ ...openRecall, comparison: { ...recall, ...over } }])] });
      assert.match(plain({ delta: -0.004 }), /about 4,100 more labelled rows/u);
      assert.match(plain({}), /more rows are unlikely to help.*registry override/u);
      assert.match(plain({ delta: -0.004, rowsNeeded: null }), /more rows are unlikely to help/u);
      const open = { ...openRecall, comparison: { ...recall, delta: -0.004 } };
      const experiment = said({ decision: recorded(), evidence: [evidence([open], { kind: 'ab-test' })] });
      assert.match(experiment, /Continue the experiment for about 4,100 more users, or improve the candidate/u);
      const unrecorded = said({ decision: decision(), evidence: [evidence([openRecall])] });
      assert.doesNotMatch(unrecorded, /override/u, 'only what is recorded can be overridden');
    });

    it('names in its commands the files that stood for those of contender.yml', () => {
      const flat = (input: Result): string => render(input).replace(/\s+/gu, ' ');
      const overriding = ' --champion models/champion.onnx';
      assert.match(
        flat({ ...rejected, overriding }),
        /evaluate --model spam-filter --champion models\/champion\.onnx/u,
      );
      const ready = { decision: decision({ outcome: 'promote' }), evidence: [], overriding };
      assert.match(flat(ready), /record it here: contender gate --champion models\/champion\.onnx/u);
    });

    it('says of a measurement that settled nothing to measure again, and where', () => {
      const slow = check({ ...load, verdict: 'inconclusive', message: 'Latency is unclear.' });
      const reasons = [{ code: 'check-inconclusive', message: slow.message, check: slow.id }];
      const said = (...checks: Check[]): string =>
        render({ decision: decision({ reasons }), evidence: [evidence(checks, { kind: 'load' })] }).replace(
          /\s+/gu,
          ' ',
        );
      assert.match(said(slow), /No harm is shown, but a check is inconclusive: see below/u);
      assert.match(said({ ...slow, id: 'evaluation/champion' }), /Correct the champion in contender\.yml/u);
      const busy = check({ id: 'load/generator', severity: 'info', verdict: 'inconclusive', message: 'It was busy.' });
      assert.match(said(slow, busy), /Measure again on a quieter machine, or at a lower rate/u);
      const failing = { ...slow, verdict: 'fail' as const };
      assert.match(
        said(failing, busy),
        /Correct the reported problem/u,
        'what failed is not put down to the generator',
      );
    });

    it('has the whole of the message that decided, also where the headline shortens it', () => {
      const message = `3 of 90 requests failed; ${'the first unusable answer is '.repeat(6)}: status 200 with NaN`;
      const failed = check({ ...load, verdict: 'fail', message });
      const text = render({ decision: null, evidence: [evidence([failed], { kind: 'load' })] });
      assert.match(text, /status 200 with NaN/u);
    });

    it('says how a promotion that is ready comes about: in a workflow by merging, elsewhere by a pull request or here', () => {
      const said = (source: Decision['source']): string =>
        render({ decision: decision({ outcome: 'promote', source }), evidence: [evidence([check()])] });
      assert.match(said({ run: '7' }), /Merge this change/u);
      assert.match(said({}), /Open a pull request with this candidate.*contender gate/su);
    });

    it('tells a failure once: in the headline and its row; of the others it says what the row does not', () => {
      const text = render(rejected).replace(/\s+/gu, ' ');
      assert.equal(text.match(/16\.8 points below/gu)?.length, 1);
      assert.equal(text.match(/4,100 more labelled rows/gu)?.length, 1);
      assert.match(text, /recall: may be more than 1 point worse; about 4,100 more labelled rows would rule that out/u);
    });

    it('says why a check passes in spite of what was observed', () => {
      const late = check({
        id: 'load/generator',
        title: 'Load generator',
        message: 'Latencies include that.',
        observed: 'late',
        required: 'on time',
      });
      assert.match(
        render({ decision: null, evidence: [evidence([late], { kind: 'load' })] }),
        /Latencies include that/u,
      );
    });

    it('calls none what there must be none of', () => {
      const parity = { ...load, id: 'load/parity', title: 'Wrong answers', unit: 'answers', required: 0 };
      const text = (observed: number): string =>
        render({ decision: null, evidence: [evidence([{ ...parity, observed }], { kind: 'load' })] });
      assert.match(text(0), /Wrong answers(?:<[^>]*>|\W)+none(?:<[^>]*>|\W)+none/u);
      assert.match(text(3), /3 answers.*none/su);
    });

    it('shows what was observed under load and what was required, with units', () => {
      assert.match(render(rejected), /3\.25 ms.*at most 50 ms/su);
    });

    it('shows shares as percentages, in digits enough to tell what was observed from what was required', () => {
      const share = { ...load, unit: 'share', limit: 'at least' as const, observed: 0.979996, required: 0.98 };
      assert.match(
        render({ decision: null, evidence: [evidence([share], { kind: 'load' })] }),
        /97\.9996%.*at least 98%/su,
      );
    });

    it('shows the metrics of a first model, which is compared with nothing', () => {
      const first = {
        ...evidence([check()]),
        details: { metrics: [{ metric: 'roc_auc', title: 'ROC AUC', candidate: 0.9941 }] },
      };
      const text = render({ decision: null, evidence: [first] });
      assert.match(text, /ROC AUC.*0\.9941/su);
      assert.doesNotMatch(text, /Champion|Bounds/u);
    });

    it('tells reasons that come from no check, and counts none that decided nothing', () => {
      const passed = { code: 'all-passed', message: 'All 3 blocking checks passed.' };
      const version = { code: 'version', message: 'This is version 2.0.0, since output p is gone.' };
      const text = render({ decision: decision({ reasons: [passed, version] }), evidence: [] });
      assert.match(text, /all 3 blocking checks passed.*This is version 2\.0\.0, since output p is gone/su);
      assert.doesNotMatch(text, /1 more reason/u);
      const missing = { code: 'evidence-missing', message: 'There is no load evidence.' };
      const held = render({ decision: decision({ outcome: 'hold', reasons: [missing, missing] }), evidence: [] });
      assert.match(held, /\(and 1 more reason\).*There is no load evidence\./su);
    });

    it('takes details of any form', () => {
      fc.assert(
        fc.property(
          fc.oneof(
            fc.jsonValue(),
            fc.array(
              fc.record({ metric: fc.string(), title: fc.string(), candidate: fc.double(), delta: fc.jsonValue() }),
            ),
          ),
          (any) => {
            const details = {
              metrics: any,
              churn: any,
              confusion: { candidate: any },
              classes: any,
              datasets: { any },
            };
            assert.match(
              render({
                decision: null,
                evidence: ['evaluation', 'data', 'load'].map((kind) => ({ ...evidence([check()], { kind }), details })),
              }),
              /passed/iu,
            );
          },
        ),
      );
    });

    it('reports on evidence that nothing was decided on, and on nothing at all', () => {
      assert.match(render({ decision: null, evidence: rejected.evidence }), /failed/iu);
      assert.match(render({ decision: null, evidence: [] }), /nothing shown/iu);
    });
  });
}

describe('the console report', () => {
  it('keeps within the width of the terminal', () => {
    fc.assert(
      fc.property(fc.integer({ min: 60, max: 200 }), fc.string({ maxLength: 60 }), (width, text) => {
        for (const input of [rejected, reportOf(text)]) {
          for (const line of renderConsole(input, { width, colour: false }).replaceAll('\u200b', '').split('\n')) {
            assert.ok([...line].length <= width, line);
          }
        }
      }),
    );
  });

  it('differs in nothing but colour when coloured', () => {
    const coloured = renderConsole(rejected, { width: 100, colour: true });
    assert.notEqual(coloured, renderConsole(rejected, { width: 100, colour: false }));
    const bare = coloured.replace(/\p{Cc}\[[0-9;]*m/gu, '').replace(/ +$/gmu, '');
    assert.equal(bare, renderConsole(rejected, { width: 100, colour: false }));
  });

  it('is a screenful however many checks there are', () => {
    const many = Array.from({ length: 300 }, (_, index) => ({ ...failedSlice, id: `evaluation/${index}` }));
    const lines = renderConsole({ ...rejected, evidence: [evidence(many)] }, { width: 120, colour: false }).split('\n');
    assert.ok(lines.length < 50, `${lines.length} lines`);
    assert.match(lines.join('\n'), /and 292 more/u);
  });
});

describe('a limited Markdown report', () => {
  const many = (count: number): Check[] =>
    Array.from({ length: count }, (_, index) => ({
      ...(index % 2 === 0 ? failedSlice : check({ verdict: 'inconclusive' })),
      id: `evaluation/check-${index}`,
      message: `Message of check ${index}. ${'Long words about it. '.repeat(40)}`,
    }));

  it('fits a comment with 200 checks, leads with the deciding one and says what it left out', () => {
    const input = { ...rejected, evidence: [evidence([...many(200), failedSlice])] };
    assert.ok(Buffer.byteLength(renderMarkdown(input)) > commentCharacters);
    const text = renderMarkdown(input, { limit: commentCharacters });
    assert.ok(Buffer.byteLength(text) <= commentCharacters);
    assert.match(text.split('\n').slice(0, 4).join('\n'), /accuracy on source=hard\\_ham is 0\.7041/u);
    assert.match(text, /left out for length/u);
    assert.ok(Buffer.byteLength(text) > commentCharacters - 2000, 'the room is used');
  });

  it('gives up metrics and passing checks before failures and lineage', () => {
    const passing = Array.from({ length: 100 }, (_, index) =>
      check({ id: `evaluation/other-${index}`, title: `Check ${index}` }),
    );
    const metrics = Array.from({ length: 100 }, (_, index) => ({
      metric: `metric-${index}`,
      title: `metric ${index}`,
      candidate: 0.5,
      method: 'delong',
    }));
    const input = { ...rejected, evidence: [{ ...evidence([...many(20), ...passing]), details: { metrics } }] };
    const text = renderMarkdown(input, { limit: Buffer.byteLength(renderMarkdown(input)) - 8000 });
    assert.match(text, /100 of 100 rows left out/u);
    assert.match(text, /Message of check 19/u);
    assert.match(text, /<code>c{64}<\/code>/u);
  });

  it('fits any limit', () => {
    fc.assert(
      fc.property(fc.integer({ min: 100, max: 20_000 }), fc.integer({ min: 0, max: 40 }), (limit, count) => {
        const input = { ...rejected, evidence: [evidence(many(count))] };
        assert.ok(Buffer.byteLength(renderMarkdown(input, { limit })) <= limit);
      }),
    );
  });

  it('as a comment fits any limit with the commit and the run it is of, and says whose word it is', () => {
    const place = { commit: '1'.repeat(40), runUrl: 'https://github.com/acme/models/actions/runs/7' };
    fc.assert(
      fc.property(fc.integer({ min: 2000, max: 20_000 }), fc.boolean(), (limit, untrusted) => {
        const text = renderComment({ ...rejected, evidence: [evidence(many(40))] }, { ...place, untrusted }, limit);
        assert.ok(Buffer.byteLength(text) <= limit);
        const heading = untrusted
          ? /^## ❌ spam-filter: rejected, as the fork's own run reports\n\n> Everything below is under the control of the author/u
          : /^## ❌ spam-filter: rejected\n\n\*\*Rejected/u;
        assert.match(text, heading);
        assert.match(text, /models\/commit\/1{40}".*models\/actions\/runs\/7/u);
      }),
      { numRuns: 30 },
    );
  });

  it('is whole where there is room', () => {
    assert.doesNotMatch(renderMarkdown(rejected, { limit: commentCharacters }), /left out/u);
  });
});

describe('the HTML page', () => {
  it('needs nothing from elsewhere and runs nothing', () => {
    assert.doesNotMatch(renderHtml(rejected), /<script|<link|<img|<iframe|src=|href=|@import|url\(/iu);
  });

  it('has a heading for every section, which names its table', () => {
    const page = renderHtml(rejected);
    const tables = [...page.matchAll(/<table aria-labelledby="(?<id>[^"]+)"/gu)].map((match) => match.groups?.['id']);
    const headings = [...page.matchAll(/<h2 id="(?<id>[^"]+)"/gu)].map((match) => match.groups?.['id']);
    assert.ok(tables.length > 2);
    assert.deepEqual(tables, headings);
  });
});

describe('the commit and the run', () => {
  const source = { repository: 'acme/models', sha: '1'.repeat(40), run: '7' };
  const of = (over: object, server?: string): string =>
    renderHtml({ decision: decision({ source: { ...source, ...over } }), evidence: [], server });

  it('are linked where they are known', () => {
    assert.match(of({}), /href="https:\/\/github\.com\/acme\/models\/commit\/1{40}"/u);
    assert.match(of({}, 'https://git.acme.org'), /href="https:\/\/git\.acme\.org\/acme\/models\/actions\/runs\/7"/u);
  });

  it('are not linked where they are not what they should be', () => {
    for (const over of [{ repository: 'a/b/../../c' }, { repository: 'javascript:x' }, { sha: 'HEAD', run: 'x' }]) {
      assert.doesNotMatch(of(over), /href/u);
    }
  });

  it('are not linked in the lineage that strangers report', () => {
    const input = { decision: decision({ source: { ...source, repository: 'evil/copy' } }), evidence: [] };
    const place = { commit: '1'.repeat(40), runUrl: 'https://github.com/acme/models/actions/runs/7' };
    const links = (untrusted: boolean): boolean =>
      renderComment(input, { ...place, untrusted }, commentCharacters).includes('https://github.com/evil');
    assert.deepEqual([links(false), links(true)], [true, false]);
  });
});

describe('annotations', () => {
  const located = { ...failedSlice, location: { file: 'contender.yml', line: 12, column: 3 } };

  it('come worst first, errors for blocking failures, on the line they are about', () => {
    const warned = check({ id: 'data/drift', verdict: 'fail', severity: 'warn' });
    const noted = check({ id: 'data/note', verdict: 'fail', severity: 'info' });
    const found = annotations({ decision: null, evidence: [evidence([check(), noted, warned, openRecall, located])] });
    assert.deepEqual(
      found.map(({ level }) => level),
      ['error', 'warning', 'warning', 'notice'],
    );
    assert.deepEqual(found[0], {
      level: 'error',
      title: 'Accuracy on source=hard_ham',
      message: failedSlice.message,
      file: 'contender.yml',
      line: 12,
      column: 3,
    });
  });

  it('tell reasons that come from no check', () => {
    const reasons = [{ code: 'evidence-missing', message: 'There is no load evidence.' }];
    assert.deepEqual(annotations({ decision: decision({ reasons }), evidence: [] }), [
      { level: 'warning', title: 'evidence-missing', message: 'There is no load evidence.' },
    ]);
  });

  it('are at most what GitHub shows, and say how many more there are', () => {
    const many = Array.from({ length: 25 }, () => failedSlice);
    const found = annotations({ decision: null, evidence: [evidence([...many, openRecall])] });
    assert.equal(found.filter(({ level }) => level === 'error').length, annotationsPerLevel);
    assert.match(found[annotationsPerLevel - 1]?.message ?? '', /^16 more checks/u);
    assert.equal(found.filter(({ level }) => level === 'warning').length, 1);
  });
});
