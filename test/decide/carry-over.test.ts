import assert from 'node:assert/strict';
import { it } from 'node:test';
import { carryOver } from '../../src/decide/carry-over.ts';
import type { RegistryHistory } from '../../src/evidence/index.ts';
import { artifact, judged } from '../registry/sample-decision.ts';

it('a promotion that a newer one replaces keeps its reasons as a hold, but for that of the version it does not get', () => {
  const view: RegistryHistory = {
    champion: { version: '1.0.0', artifacts: [artifact('a')] },
    championSeq: 1,
    versions: ['1.0.0'],
    decisionsByDataset: {},
    registered: [],
    aliases: {},
    decisions: [],
  };
  const made = judged('m', 'b', 'promote')(view);
  const waiting = {
    ...made,
    reasons: [...made.reasons, { code: 'version', message: 'This is 2.0.0.' }],
    seq: 2,
    prev: null,
  };
  const codes = (superseded: boolean): string[] =>
    carryOver(waiting, view, 1, superseded)?.reasons.map(({ code }) => code) ?? [];
  assert.deepEqual(codes(false), ['test', 'version']);
  assert.deepEqual(codes(true), ['superseded', 'test']);
});
