import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { renderSections } from '../../src/report/console.ts';
import { codeCell, numberCell, textCell, type Section } from '../../src/report/section.ts';

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
});
