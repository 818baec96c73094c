import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import stringWidth from 'string-width';
import { renderSections } from '../../src/report/console.ts';
import { codeCell, numberCell, textCell, type Section } from '../../src/report/section.ts';
import fc from '../support/properties.ts';

const versions: Section = {
  title: 'Versions',
  columns: ['Version', 'Is', 'Promoted', 'By', 'Decision', 'Model', 'Size', 'SHA-256', 'Tag'],
  rows: [
    [
      textCell('1.0.1'),
      textCell('champion, production'),
      textCell('2026-11-26 22:50 UTC'),
      textCell('ada'),
      numberCell('2'),
      textCell('candidate-fair.onnx'),
      numberCell('1.2 MB'),
      codeCell('cd0bd9d5262f'),
      textCell('spam-filter@v1.0.1'),
    ],
  ],
  collapsed: false,
  importance: 0,
};
const tokens = versions.rows.flat().flatMap(({ text }) => (/UTC/u.test(text) ? [text] : text.split(' ')));
const shown = (width: number): string => renderSections([versions], { colour: false, width });

describe('a table on a terminal', () => {
  it('cuts no word, digest, tag or time and loses none, at whatever width', () => {
    fc.assert(
      fc.property(fc.integer({ min: 40, max: 200 }), (width) => {
        const text = shown(width);
        for (const token of tokens) assert.ok(text.includes(token), `${token} at ${width}:\n${text}`);
        for (const line of text.split('\n')) assert.ok(line.length <= width, line);
      }),
    );
  });

  it('has columns where there is room for them, and a block for each row where there is not', () => {
    assert.match(shown(140), /Version +Is +Promoted .*\n {2}1\.0\.1 +champion, production +2026/u);
    assert.equal(
      shown(80),
      [
        'Versions',
        '  1.0.1',
        '    Is: champion, production  Promoted: 2026-11-26 22:50 UTC  By: ada',
        '    Decision: 2  Model: candidate-fair.onnx  Size: 1.2 MB  SHA-256: cd0bd9d5262f',
        '    Tag: spam-filter@v1.0.1',
        '',
      ].join('\n'),
    );
  });

  it('stands in straight columns where letters take two places, and breaks none of them', () => {
    const names = ['日本語のとても長いスライス名', 'plain', '👩‍👩‍👧‍👦 family', 'e\u0301te\u0301'];
    const section: Section = {
      title: 'Slices',
      columns: ['Slice', 'Rows', 'Shown'],
      rows: names.map((name) => [textCell(name), numberCell('12'), textCell('better')]),
      collapsed: false,
      importance: 0,
    };
    const lines = renderSections([section], { colour: false, width: 60 }).trimEnd().split('\n').slice(1);
    const before = lines.map((line) => stringWidth(line.slice(0, /Shown|better/u.exec(line)?.index)));
    assert.deepEqual(new Set(before).size, 1, lines.join('\n'));
    const narrow = renderSections([section], { colour: false, width: 40 }).split('\n');
    assert.ok(narrow.every((line) => stringWidth(line) <= 40));
    const long = names.join('').repeat(4);
    const wrapped = renderSections([{ ...section, text: [long], rows: [] }], { colour: false, width: 40 });
    assert.equal(wrapped.replace(/[\s\p{Cf}]/gu, ''), `Slices${long.replace(/[\s\p{Cf}]/gu, '')}`);
    for (const line of wrapped.split('\n')) assert.ok(stringWidth(line) <= 40, line);
  });
});
