import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { withoutWorkflowCommands } from '../../src/report/escape.ts';
import { endsPause, parseCommand } from '../support/runner/commands.ts';

/* Lines and what TryParseV2, and then TryParse, of src/Runner.Common/ActionCommand.cs in actions/runner make of them. */
const lines: [line: string, command: ReturnType<typeof parseCommand>][] = [
  ['::set-output name=a::b::c', { name: 'set-output', properties: { name: 'a' }, data: 'b::c' }],
  ['  ::SET-OUTPUT Name=a::b', { name: 'set-output', properties: { name: 'a' }, data: 'b' }],
  ['text ::set-output name=a::b', null],
  ['::set-output name=a', null],
  ['::nothing::b', null],
  ['::::error::b', null],
  [
    '::error file=a%2Cb,line=1=2,title=::%0A%253A',
    { name: 'error', properties: { file: 'a,b', line: '1=2' }, data: '\n%3A' },
  ],
  ['##[set-output name=a]b', { name: 'set-output', properties: { name: 'a' }, data: 'b' }],
  ['text ##[Add-Mask]b]c', { name: 'add-mask', properties: {}, data: 'b]c' }],
  ['##[error file=a%3Bb;line=3]c%5D%0Ad', { name: 'error', properties: { file: 'a;b', line: '3' }, data: 'c]\nd' }],
  ['##[nothing]b ##[error]c', null],
  ['##[error', null],
  // Found by the older form, as what the newer one names is not registered.
  ['::nothing::##[error]b', { name: 'error', properties: {}, data: 'b' }],
  ['::notice::##[add-mask]b', { name: 'notice', properties: {}, data: '##[add-mask]b' }],
];

describe('workflow commands', () => {
  it('are read as the runner reads them', () => {
    for (const [line, command] of lines) assert.deepEqual(parseCommand(line), command, line);
  });

  it('are paused until a word that is none of them, in either form', () => {
    assert.equal(parseCommand('::Word::', 'word')?.name, 'word');
    assert.equal(parseCommand('text ##[word]', 'word')?.name, 'word');
    assert.equal(parseCommand('::other::', 'word'), null);
    for (const token of ['', 'error', 'Pause-Logging']) assert.equal(endsPause(token), false, token);
  });

  it('are none in what our actions print of a stranger', () => {
    for (const [line] of lines) assert.equal(parseCommand(withoutWorkflowCommands(line)), null, line);
  });
});
