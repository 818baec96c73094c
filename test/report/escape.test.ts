import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { micromark } from 'micromark';
import { gfm, gfmHtml } from 'micromark-extension-gfm';
import { annotations, renderJunit } from '../../src/report/index.ts';
import { markdownCode, markdownText, oneLine } from '../../src/report/escape.ts';
import { reportOf } from './samples.ts';
import { renderConsole, renderHtml, renderMarkdown } from '../support/report.ts';
import fc from '../support/properties.ts';

const hostile = [
  'valueOf',
  '<img src=x onerror=alert(1)>',
  '</details><script>alert(1)</script>',
  '`code` ``` ~~~ | a | b |',
  '\n\n# heading\n\n- list\n1. one\n| a |\n|---|',
  '# heading',
  '- item',
  '1. one',
  '![x](https://example.org/x.png) [y](javascript:alert(1))',
  'https://example.org www.example.org http://example.org/?a=b someone@example.org',
  '@octocat #1 GH-1 org/repository#1',
  '\n::error::pwned\r\n  ::set-output name=verdict::promote\n##[error]x',
  '\\| \\` \\\\ &lt;b&gt; &#60; $x$ :tada:',
  '\u202eevil\u2066\u0000\u001b[31m\u0007',
  '"\'><svg onload=alert(1)> ]]> --> <!-- {{x}} ${y}',
  '\ud800 \udfff \ufffe',
];
const anyText = fc.oneof(
  fc.constantFrom(...hostile),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.array(fc.constantFrom(...'<>&|`*_[]()!#-+:/@\\\n ~$"\'.1aw='), { maxLength: 30 }).map((parts) => parts.join('')),
);
/** What means something to Markdown or to GitHub. */
const markdownish = fc.string({
  unit: fc.constantFrom(...'<>&|`*_[]()!#-+:/@\\~$"\'.1a '),
  minLength: 1,
  maxLength: 20,
});
const commit = '0123456789abcdef0123456789abcdef01234567';
const plain = reportOf('harmless');

/** The elements of a page, in order, with their attributes; of a drawing, whose attributes follow its numbers, their names. */
function elements(markup: string): string[] {
  const drawn = markup.replaceAll(/<svg[^]*?<\/svg>/gu, (svg) => svg.replaceAll(/<(\/?\w+)[^>]*>/gu, '<$1>'));
  return drawn.match(/<[^>]*>/gu) ?? [];
}

describe('text from strangers', () => {
  it('adds no element to the HTML page', () => {
    const expected = elements(renderHtml(plain));
    fc.assert(
      fc.property(anyText, (text) => assert.deepEqual(elements(renderHtml(reportOf(text))), expected)),
      { numRuns: 200, examples: hostile.map((text): [string] => [text]) },
    );
  });

  it('adds no markup to the Markdown, as a GitHub-flavoured parser reads it', () => {
    const parse = (markdown: string): string[] =>
      elements(
        micromark(markdown, {
          allowDangerousHtml: true,
          allowDangerousProtocol: true,
          extensions: [gfm()],
          htmlExtensions: [gfmHtml()],
        }),
      ).filter((element) => !/^<(?:\/?code|!-- --)>$/u.test(element));
    const expected = parse(renderMarkdown(plain));
    fc.assert(
      fc.property(
        anyText.filter((text) => oneLine(text) !== ''),
        (text) => assert.deepEqual(parse(renderMarkdown(reportOf(text))), expected),
      ),
      { numRuns: 100, examples: hostile.slice(0, -3).map((text): [string] => [text]) },
    );
  });

  it('is shown by Markdown as it was written', () => {
    fc.assert(
      fc.property(markdownish, (text) => {
        assert.equal(shown(markdownText(text)).replaceAll('\u200b', ''), oneLine(text));
      }),
      { numRuns: 500, examples: [[commit], [`see ${commit}.`], [':tada:'], ['NDCG@10']] },
    );
  });

  it('is copied from code as it was written, with nothing put in between', () => {
    fc.assert(
      fc.property(markdownish, (text) => assert.equal(shown(markdownCode(text)), oneLine(text))),
      { numRuns: 500, examples: [['evaluation/ndcg@10'], ['a@b.org #1 :tada:'], [commit]] },
    );
  });

  it('mentions nobody, refers to nothing and draws no emoji, outside of code, where GitHub looks for none of them', () => {
    const text = `@octocat and #12, GH-12, :tada: :+1: :100: in ${commit}, someone@${commit}`;
    const markdown = renderMarkdown(reportOf(text)).replaceAll(/<code>.*?<\/code>/gu, '');
    assert.doesNotMatch(markdown, /@octocat|#12(?!\d)|GH-12|:tada:|:\+1:|:100:|[0-9a-f]{40}/u);
  });

  it('is left alone where it is nothing that GitHub looks for', () => {
    for (const text of ['NDCG@10', '2026-01-02T03:04:05Z', 'a: b', '12:34:56']) assert.equal(markdownText(text), text);
  });

  it('gives no workflow command to a runner that reads the console', () => {
    fc.assert(
      fc.property(anyText, fc.integer({ min: 20, max: 200 }), fc.boolean(), (text, width, colour) => {
        const output = renderConsole(reportOf(text), { width, colour });
        for (const line of output.split(/\r\n|\r|\n/u)) assert.doesNotMatch(line, /^\s*::|##\[/u);
      }),
      { examples: hostile.map((text): [string, number, boolean] => [text, 60, false]) },
    );
  });

  it('brings no control character to the terminal, and no line of its own', () => {
    const lines = (text: string): number =>
      renderConsole(reportOf(text), { width: 100, colour: false }).split('\n').length;
    assert.equal(lines('a\nb'), lines('a b'));
    fc.assert(
      fc.property(anyText, (text) => {
        assert.doesNotMatch(
          renderConsole(reportOf(text), { width: 80, colour: false }),
          /(?!\n)\p{Cc}|[\u202a-\u202e]/u,
        );
      }),
    );
  });

  it('leaves the JUnit report well-formed and within XML', () => {
    const expected = elements(renderJunit(plain)).map((element) => element.split(' ')[0]);
    fc.assert(
      fc.property(anyText, (text) => {
        const xml = renderJunit(reportOf(text));
        assert.deepEqual(
          elements(xml).map((element) => element.split(' ')[0]),
          expected,
        );
        assert.doesNotMatch(xml, /(?!\n)\p{Cc}|[\ufffe\uffff]|\p{Surrogate}|&(?!#\d+;)/u);
      }),
      { examples: hostile.map((text): [string] => [text]) },
    );
  });

  it('stays on one line of an annotation', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        for (const { title, message } of annotations(reportOf(text))) assert.doesNotMatch(title + message, /[\r\n]/u);
      }),
    );
  });

  it('is cut where it has no end', () => {
    const markdown = renderMarkdown(reportOf('x'.repeat(1_000_000)));
    assert.ok(markdown.length < 100_000, `${markdown.length} characters`);
  });
});

/** The text of a cell of a table, as whoever reads or copies it has it. */
function shown(cell: string): string {
  const table = micromark(`| a |\n| --- |\n| ${cell} |`, {
    allowDangerousHtml: true,
    extensions: [gfm()],
    htmlExtensions: [gfmHtml()],
  });
  const markup = /<td>(?<cell>.*)<\/td>/su.exec(table)?.groups?.['cell'] ?? '';
  return decode(markup.replaceAll(/<\/?code>|<!-- -->/gu, ''));
}

function decode(markup: string): string {
  const named: Record<string, string> = { '&amp;': '&', '&lt;': '<', '&gt;': '>', '&quot;': '"' };
  return markup.replace(/&(?:amp|lt|gt|quot);/gu, (entity) => named[entity] ?? entity);
}
