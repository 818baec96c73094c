import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { micromark } from 'micromark';
import { gfm, gfmHtml } from 'micromark-extension-gfm';
import { annotations, renderConsole, renderHtml, renderJunit, renderMarkdown } from '../../src/report/index.ts';
import { markdownText, oneLine } from '../../src/report/escape.ts';
import { reportOf } from './samples.ts';

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
const plain = reportOf('harmless');

/** The elements of a page, in order, with their attributes. */
function elements(markup: string): string[] {
  return markup.match(/<[^>]*>/gu) ?? [];
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
      ).filter((element) => !/^<\/?code>$/u.test(element));
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
      fc.property(
        fc.string({ unit: fc.constantFrom(...'<>&|`*_[]()!#-+:/@\\~$"\'.1a '), minLength: 1, maxLength: 20 }),
        (text) => {
          const shown = micromark(`| a |\n| --- |\n| ${markdownText(text)} |`, {
            extensions: [gfm()],
            htmlExtensions: [gfmHtml()],
          });
          const cell = /<td>(?<cell>.*)<\/td>/su.exec(shown)?.groups?.['cell'] ?? '';
          assert.equal(decode(cell).replaceAll('\u200b', ''), oneLine(text));
        },
      ),
      { numRuns: 500 },
    );
  });

  it('mentions nobody', () => {
    const markdown = renderMarkdown(reportOf('@octocat and #12, GH-12'));
    assert.doesNotMatch(markdown, /@octocat|#12(?!\d)|GH-12/u);
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

function decode(markup: string): string {
  const named: Record<string, string> = { '&amp;': '&', '&lt;': '<', '&gt;': '>', '&quot;': '"' };
  return markup.replace(/&(?:amp|lt|gt|quot);/gu, (entity) => named[entity] ?? entity);
}
