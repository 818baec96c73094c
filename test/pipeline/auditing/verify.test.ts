import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { rollback } from '../../../src/decide/rollback.ts';
import { deprecate } from '../../../src/decide/deprecate.ts';
import {
  digest,
  evidenceDigest,
  sha256,
  type Artifact,
  type Decision,
  type Evidence,
  type RecordedDecision,
} from '../../../src/evidence/index.ts';
import { silentLog } from '../../../src/log.ts';
import { verify, type Verified } from '../../../src/pipeline/auditing/verify-change.ts';
import { openWorkspace } from '../../../src/pipeline/workspace.ts';
import { canonicalBytes } from '../../../src/registry/chain.ts';
import { packEvidence } from '../../../src/registry/evidence-file.ts';
import {
  attributesPath,
  attributesText,
  decisionPath,
  evidencePath,
  manifestPath,
} from '../../../src/registry/layout.ts';
import { extendManifest, type Manifest } from '../../../src/registry/manifest.ts';
import { artifact } from '../../registry/sample-decision.ts';
import { inRepository, type TemporaryRepository } from '../../registry/temporary-repository.ts';
import { assigned, by, evidenceOn, gate, modelOf, overridden, record, registered, subject, text } from '../decided.ts';

function verified(at: TemporaryRepository): Promise<Verified> {
  const input = { root: at.folder, config: 'contender.yml' };
  return verify({ ...input, base: undefined }, () =>
    openWorkspace({ ...input, out: '.contender', anyModel: true, log: silentLog }),
  );
}

/** A history of three decisions: a registration, a promotion, and a hold. */
interface Recorded {
  decisions: Decision[];
  evidence: Evidence[];
}

type Forgery = (recorded: Recorded) => Recorded | { bytes: (decision: RecordedDecision) => Uint8Array };

/** A registry that was forged from its first commit on, with every hash and manifest to match. */
async function forged(forge: Forgery): Promise<Verified> {
  const made = forge(honest);
  const { decisions, evidence } = 'bytes' in made ? honest : made;
  const bytesOf = 'bytes' in made ? made.bytes : canonicalBytes;
  return inRepository(async (at) => {
    await at.write('contender.yml', text);
    await at.write(`registry/${attributesPath}`, attributesText);
    for (const each of evidence) {
      await at.write(`registry/${evidencePath('m', evidenceDigest(each))}`, packEvidence(each));
    }
    let [manifest, prev]: [Manifest | null, string | null] = [null, null];
    for (const [index, each] of decisions.entries()) {
      const decision: RecordedDecision = { ...each, seq: index + 1, prev };
      const bytes = bytesOf(decision);
      prev = sha256(bytes);
      manifest = extendManifest(manifest, { decision, sha256: prev });
      await at.write(`registry/${decisionPath('m', decision.seq)}`, bytes);
    }
    await at.write(`registry/${manifestPath('m')}`, canonicalBytes(manifest));
    await at.commit('Begin');
    return verified(at);
  });
}

let honest: Recorded = { decisions: [], evidence: [] };
before(async () => {
  honest = await recorded();
});

function recorded(): Promise<Recorded> {
  return inRepository(async (at) => {
    const [better, unclear] = [gate('b', 'pass'), gate('c', 'inconclusive')];
    await record(at, registered('a'), better, unclear);
    const log = await (await at.registry('registry', 'main')).log('m');
    return {
      decisions: log.map(({ seq: _seq, prev: _prev, ...decision }) => decision),
      evidence: [...new Map([...better[1], ...unclear[1]].map((each) => [evidenceDigest(each), each])).values()],
    };
  });
}

/** The same with another promotion, and without the hold after it. */
function promotion(edit: (decision: Decision) => Partial<Decision>): Forgery {
  return ({ decisions: [first, second], evidence }) => {
    const used = { ...second!, ...edit(second!) };
    const referred = new Set(used.evidence?.map((each) => each.sha256));
    return {
      decisions: [first!, used],
      evidence: evidence.filter((each) => referred.has(evidenceDigest(each))),
    };
  };
}

/** The same on other evidence, which the decision goes on calling passed. */
function evidenceOf(edit: (evidence: Evidence) => object): Forgery {
  return ({ decisions: [first, second], evidence: [passed] }) => {
    const other = edit(passed!) as Evidence;
    const reference = { ...second!.evidence[0]!, sha256: evidenceDigest(other) };
    return { decisions: [first!, { ...second!, evidence: [reference] }], evidence: [other] };
  };
}

/** The same of bytes that are said to be otherwise. */
function bytesOf(edit: Partial<Artifact>): Forgery {
  return promotion(({ to, candidate }) => {
    const artifacts = [{ ...to!.artifacts[0]!, ...edit }];
    return { to: { ...to!, artifacts }, candidate: { ...candidate!, artifacts } };
  });
}

function version(name: string): Forgery {
  return promotion(({ to, candidate }) => ({
    to: { ...to!, version: name },
    candidate: { ...candidate!, version: name },
  }));
}

describe('a registry that contradicts itself, though every hash holds', () => {
  const forgeries: [string, Forgery, RegExp][] = [
    [
      'a promotion without evidence',
      promotion(() => ({ evidence: [], datasets: {} })),
      /a promotion where the outcome is hold: The policy requires evaluation evidence/u,
    ],
    [
      'a promotion on what it calls failed',
      promotion(({ evidence }) => ({ evidence: [{ ...evidence[0]!, verdict: 'fail' }] })),
      /other contents than its evidence gives/u,
    ],
    [
      'a promotion on evidence that failed, which it calls passed',
      evidenceOf((each) => ({ ...each, verdict: 'fail', checks: [{ ...each.checks[0], verdict: 'fail' }] })),
      /a promotion where the outcome is reject: Recall: pass/u,
    ],
    [
      'evidence whose verdict is not that of its checks',
      evidenceOf((each) => ({ ...each, checks: [{ ...each.checks[0], verdict: 'inconclusive' }] })),
      /where the outcome is hold: The evaluation evidence says pass, but its checks say inconclusive/u,
    ],
    [
      'evidence of another model',
      evidenceOf((each) => ({ ...each, model: 'other' })),
      /where the outcome is hold: The evaluation evidence is about model other/u,
    ],
    [
      'evidence of another candidate',
      evidenceOf((each) => ({ ...each, subjects: { ...each.subjects, candidate: artifact('z') } })),
      /where the outcome is hold: The evaluation evidence is about another candidate/u,
    ],
    [
      'evidence that was made under another policy',
      evidenceOf((each) => ({ ...each, policy: { sha256: digest('other') } })),
      /where the outcome is hold: The evaluation evidence was made under another configuration/u,
    ],
    [
      'a comparison with another champion',
      evidenceOf((each) => ({ ...each, subjects: { ...each.subjects, champion: artifact('z') } })),
      /where the outcome is hold: The evaluation evidence compares with champion/u,
    ],
    [
      'evidence without what the policy decides by',
      evidenceOf((each) => ({ ...each, checks: [{ ...each.checks[0], id: 'evaluation/other' }] })),
      /where the outcome is hold: The evaluation evidence has no check evaluation\/recall/u,
    ],
    [
      'evidence that was finished before it was started',
      evidenceOf((each) => ({ ...each, startedAt: '2098-01-01T00:00:00.000Z' })),
      /finished before it was started/u,
    ],
    [
      'a comparison that passes on bounds that show nothing',
      evidenceOf((each) => ({
        ...each,
        checks: [
          {
            ...each.checks[0],
            comparison: {
              metric: 'recall',
              champion: 0.9,
              candidate: 0.5,
              delta: -0.4,
              lower: -0.45,
              upper: -0.35,
              margin: 0.01,
              alpha: 0.05,
              state: 'superior',
              requirement: 'non-inferior',
              method: 'tango-score',
              n: 1000,
            },
          },
        ],
      })),
      /passes with bounds -0\.45 to -0\.35/u,
    ],
    [
      'evidence that is none',
      evidenceOf(() => ({ details: {} })),
      /refused: the evidence of the decision is not valid/u,
    ],
    [
      'other data than the evidence tells of',
      promotion(() => ({ datasets: { evaluation: { uri: 'z', sha256: digest('z'), rows: 1 } } })),
      /other contents than its evidence gives/u,
    ],
    [
      'a policy whose text has another digest',
      promotion(({ policy }) => ({ policy: { ...policy, text: '{"policy":"any"}' } })),
      /a policy whose digest does not match its text/u,
    ],
    [
      'a policy that is none',
      promotion(() => ({ policy: { text: '{"policy":"any"}', sha256: sha256('{"policy":"any"}') } })),
      /a policy that is not the configuration of a model/u,
    ],
    ['a version that is no number', version('banana'), /\/to\/version must match pattern/u],
    ['a version that lacks a part', version('1.0'), /\/to\/version must match pattern/u],
    ['a version with markup in a second line', version('1.0.1\n<img src=x>'), /\/to\/version must match pattern/u],
    [
      'a promotion of nothing',
      promotion(({ to, candidate }) => ({
        to: { ...to!, artifacts: [] },
        candidate: { ...candidate!, artifacts: [] },
      })),
      /\/to\/artifacts must NOT have fewer than 1 items/u,
    ],
    [
      'a promotion of another model than was judged',
      promotion(({ to }) => ({ to: { ...to!, artifacts: [artifact('evil')] } })),
      /to is another than the candidate/u,
    ],
    ...[
      'javascript:alert(1)',
      'http://example.org/m.onnx',
      'https://ada:secret@example.org/m.onnx',
      'https://example.org/m.onnx?X-Amz-Signature=s',
      'https://localhost/m.onnx',
      'file:m.onnx',
      `git:${'0'.repeat(40)}:m.onnx`,
      `git:${'1'.repeat(40)}:../../etc/passwd`,
      `git:${'1'.repeat(40)}:/etc/passwd`,
      `git:${'1'.repeat(40)}:.git/config`,
    ].map((uri): [string, Forgery, RegExp] => [
      `an address that nobody can fetch, or whose bytes change: ${uri}`,
      bytesOf({ uri }),
      /^a model at "/u,
    ]),
    ['a model of another size than was judged', bytesOf({ size: 11 }), /a model of 11 bytes/u],
    ['a version that nobody chose', version('999.0.0'), /other contents than its evidence gives/u],
    [
      'reasons that are not those of its evidence',
      promotion(() => ({ reasons: [{ code: 'all-passed', message: 'Trust me.' }] })),
      /other contents than its evidence gives/u,
    ],
    [
      'a summary that is not that of its evidence',
      promotion(({ evidence }) => ({ evidence: [{ ...evidence[0]!, summary: { checks: 900, passed: 900 } }] })),
      /other contents than its evidence gives/u,
    ],
    [
      'evidence said to be fresher than it is',
      promotion(({ evidence }) => ({ evidence: [{ ...evidence[0]!, finishedAt: '2026-01-02T03:09:00.000Z' }] })),
      /evaluation evidence said to be of 2026-01-02T03:09/u,
    ],
    [
      'a decision from before its evidence, and before the last one',
      promotion(() => ({ time: '1999-12-31T00:00:00.000Z' })),
      /a decision of 1999-12-31T00:00:00\.000Z after one of 2026/u,
    ],
    ['a decision of a time to come', promotion(() => ({ time: '2099-01-01T00:00:00.000Z' })), /dated in the future/u],
    ['a time that is none', promotion(() => ({ time: 'yesterday' })), /\/time must match pattern/u],
    ...(
      [
        ['deprecate', 'promote'],
        ['assign', 'reject'],
        ['rollback', 'hold'],
        ['register', 'no-change'],
        ['override', 'hold'],
        ['gate', 'no-change'],
      ] as const
    ).map(([action, outcome]): [string, Forgery, RegExp] => [
      `a decision to ${action} that gives ${outcome}`,
      promotion(() => ({ action, outcome })),
      /not a recorded decision: \/outcome must be equal to one of the allowed values/u,
    ]),
    [
      'a field that no decision has',
      promotion(() => ({ note: 'x' }) as Partial<Decision>),
      /must NOT have additional properties note/u,
    ],
    [
      'a field that no artifact has',
      promotion(({ to, candidate }) => {
        const artifacts = [{ ...to!.artifacts[0]!, note: 'x' }];
        return { to: { ...to!, artifacts }, candidate: { ...candidate!, artifacts } };
      }),
      /must NOT have additional properties note/u,
    ],
    [
      'a mark of the byte order',
      () => ({ bytes: (decision) => Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), canonicalBytes(decision)]) }),
      /not JSON in UTF-8/u,
    ],
    [
      'bytes that are no UTF-8',
      () => ({
        bytes: (decision) =>
          Buffer.from(canonicalBytes(decision).toString('latin1').replace('"ada"', '"\xff"'), 'latin1'),
      }),
      /not JSON in UTF-8/u,
    ],
  ];
  for (const [name, forge, found] of forgeries) {
    it(`is found by ${name}`, async () => {
      const { findings } = await forged(forge);
      assert.ok(
        findings.some((each) => found.test(each.found)),
        JSON.stringify(findings, null, 1),
      );
    });
  }

  it('has nothing of the kind where nobody forged it', async () => {
    assert.deepEqual((await forged((recorded) => recorded)).findings, []);
  });
});

describe('a registry that Contender wrote', () => {
  it('is not called sound where there is none', () =>
    inRepository(async (at) => {
      await at.write('contender.yml', text);
      await at.commit('Configure');
      const { findings, sound } = await verified(at);
      assert.deepEqual(findings, []);
      assert.equal(sound, 'Nothing is recorded: there is no model in folder registry of branch main.');
    }));

  it('is sound with decisions of every kind, whatever the configuration became since', () =>
    inRepository(async (at) => {
      await at.write('contender.yml', text);
      await at.commit('Configure');
      await record(at, registered('a'), gate('b', 'pass'), gate('c', 'fail'), gate('d', 'inconclusive'));
      await record(at, overridden('d'), [(view) => rollback(subject, '1.0.1', view, by)]);
      await record(at, assigned('staging'), assigned('live'), [(view) => deprecate(subject, '1.0.2', view, by)]);
      await at.write('contender.yml', text.replace('margin: 0.01', 'margin: 0.2'));
      await at.commit('Configure');
      assert.deepEqual((await verified(at)).findings, []);
      assert.equal((await (await at.registry('registry', 'main')).log('m')).length, 9);
    }));

  it('is sound where the configuration named the champion, while the registry had none', () =>
    inRepository(async (at) => {
      const named = text.replace('candidate: m.onnx', 'candidate: m.onnx\n    champion: old.onnx');
      await at.write('contender.yml', named);
      await at.commit('Configure');
      await record(at, gate('b', 'pass', named, undefined, { champion: artifact('old') }));
      assert.deepEqual((await verified(at)).findings, []);
    }));

  it('is sound where evidence was measured again, long after an earlier decision on the same', () =>
    inRepository(async (at) => {
      const aged = text.replace('policy: { ', 'policy: { max_evidence_age: 7d, approvals: { from: [grace] }, ');
      await at.write('contender.yml', aged);
      await at.commit('Configure');
      const later = new Date('2026-02-02T03:04:05Z');
      const approvals = [{ by: 'grace', at: later.toISOString(), source: 'review of pull request 1' }];
      await record(at, registered('a', aged), gate('b', 'pass', aged));
      await record(at, gate('b', 'pass', aged, undefined, { at: later, approvals }));
      assert.deepEqual(
        (await (await at.registry('registry', 'main')).log('m')).map(({ outcome }) => outcome),
        ['promote', 'hold', 'promote'],
      );
      assert.deepEqual((await verified(at)).findings, []);
    }));

  it('is not sound where a stage has a version on evidence of another', () =>
    inRepository(async (at) => {
      await at.write('contender.yml', text);
      await at.commit('Configure');
      await record(at, registered('a'), assigned('staging'));
      const other = evidenceOn('z', 'pass', modelOf(text));
      const [put] = assigned('live', text, 'a');
      await record(at, [
        (view) => {
          const made = put(view);
          return { ...made, evidence: [{ ...made.evidence[0]!, sha256: evidenceDigest(other) }] };
        },
        [other],
      ]);
      const [finding] = (await verified(at)).findings;
      assert.match(finding?.found ?? '', /evaluation evidence of another model or version/u);
    }));
});
