import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { anchorOf, best } from '../../src/decide/anchor.ts';
import { decide } from '../../src/decide/decide.ts';
import { policySubject } from '../../src/config/index.ts';
import { stageFacts } from '../../src/pipeline/configuration.ts';
import { buildEvidence, digest, type Artifact, type RecordedDecision } from '../../src/evidence/index.ts';
import { canonicalJson } from '../../src/evidence/canonical.ts';
import type { RegisteredVersion, RegistryHistory } from '../../src/evidence/index.ts';
import type { ConfiguredModel } from '../support/configured-model.ts';

const artifact = (name: string): Artifact => ({ role: 'model', uri: `file:${name}`, sha256: digest(name), size: 1 });
const dataset = digest('evaluation');
const config: ConfiguredModel = {
  task: 'binary-classification',
  candidate: 'm.onnx',
  columns: { id: 'id', label: 'label' },
  data: { evaluation: 'eval.csv' },
  policy: {
    primary: { metric: 'accuracy', margin: 0.01, require: 'non-inferior' },
    anchor: { version: 'best', margin: 0.02 },
  },
};

interface Promotion {
  version: string;
  /** Values of the primary metric: its own, and that of the champion it replaced. */
  value?: number;
  over?: number;
  /** Whether more is better (default). */
  lossy?: boolean;
  data?: string;
  changes?: Partial<RecordedDecision>;
  config?: ConfiguredModel;
  status?: RegisteredVersion['status'];
}

/** The registry after promotions, each with the values that its evidence told. */
function history(promotions: readonly Promotion[]): RegistryHistory {
  const versionOf = (version: string) => ({ version, artifacts: [artifact(version)] });
  const decisions = promotions.map((each, index) => {
    const from = index === 0 ? null : versionOf((promotions[index - 1] as Promotion).version);
    const { value, over, lossy = false } = each;
    const told =
      value === undefined || over === undefined
        ? {}
        : { candidate: value, champion: over, gain: lossy ? over - value : value - over };
    const subject = policySubject(each.config ?? config);
    return {
      schema: 'contender/decision/v1',
      model: 'm',
      action: 'gate',
      outcome: 'promote',
      reasons: [],
      from,
      to: versionOf(each.version),
      candidate: versionOf(each.version),
      policy: { sha256: digest(subject), text: canonicalJson(subject) },
      evidence: [{ kind: 'evaluation', sha256: digest(each), verdict: 'pass', summary: told, finishedAt: '' }],
      datasets: { evaluation: { uri: 'eval.csv', sha256: each.data ?? dataset, rows: 10 } },
      source: {},
      actor: 'ada',
      approvals: [],
      idempotencyKey: digest(index),
      time: '2026-01-02T03:04:05Z',
      seq: index + 1,
      prev: null,
      ...each.changes,
    } satisfies RecordedDecision;
  });
  return {
    champion: decisions.at(-1)?.to ?? null,
    championSeq: decisions.length,
    versions: promotions.map(({ version }) => version),
    decisionsByDataset: {},
    registered: promotions.map(({ version, status = 'active' }, index) => ({
      ...versionOf(version),
      seq: index + 1,
      replaced: null,
      status,
    })),
    aliases: {},
    decisions,
  };
}

const bestOf = (promotions: readonly Promotion[], model = config): string | undefined =>
  anchorOf(best, model, history(promotions), dataset)?.version;

describe('the anchor', () => {
  const sinking: Promotion[] = [
    { version: '1.0.0' },
    { version: '1.0.1', value: 0.92, over: 0.91 },
    { version: '1.0.2', value: 0.915, over: 0.92 },
    { version: '1.0.3', value: 0.91, over: 0.915 },
  ];

  test('best is the promoted version with the best value on this evaluation set, be it higher or lower', () => {
    assert.equal(bestOf(sinking), '1.0.1');
    assert.equal(
      bestOf([
        { version: '1.0.0' },
        { version: '1.0.1', value: 0.4, over: 0.5, lossy: true },
        { version: '1.0.2', value: 0.41, over: 0.4, lossy: true },
      ]),
      '1.0.1',
    );
  });

  test('best may be the champion that the first promotion replaced, which was let in without evidence', () => {
    assert.equal(bestOf([{ version: '1.0.0' }, { version: '1.0.1', value: 0.9, over: 0.905 }]), '1.0.0');
  });

  test('best is the first version where this evaluation set, or this metric, tells nothing', () => {
    const elsewhere = sinking.map((each) => ({ ...each, data: digest('another set') }));
    assert.equal(bestOf(elsewhere), '1.0.0');
    const other: ConfiguredModel = { ...config, columns: { id: 'id', label: 'another' } };
    assert.equal(bestOf(sinking.map((each) => ({ ...each, config: other }))), '1.0.0');
    assert.equal(bestOf([]), undefined);
  });

  test('best is no version that is deprecated or was rolled back', () => {
    const deprecated = sinking.map((each) =>
      each.version === '1.0.1' ? { ...each, status: 'deprecated' as const } : each,
    );
    assert.equal(bestOf(deprecated), '1.0.2');
    const view = history(sinking.slice(0, 2));
    const [first, second] = view.decisions as [RecordedDecision, RecordedDecision];
    const back = { ...second, action: 'rollback' as const, from: second.to, to: first.to, candidate: first.to };
    const rolledBack = { ...view, decisions: [...view.decisions, { ...back, evidence: [], seq: 3 }] };
    assert.equal(anchorOf(best, config, rolledBack, dataset)?.version, '1.0.0');
  });

  test('best does not move with decisions that promote nothing, so that evidence may wait for an approval', () => {
    const held = { version: '9.9.9', value: 0.99, over: 0.91, changes: { outcome: 'hold' as const } };
    const view = history([...sinking, held]);
    const registered = view.registered.filter(({ version }) => version !== '9.9.9');
    assert.equal(anchorOf(best, config, { ...view, registered }, dataset)?.version, '1.0.1');
    // Even where the held candidate is promoted later, without evidence of its own.
    assert.equal(anchorOf(best, config, view, dataset)?.version, '1.0.1');
  });

  test('by name is that version, whatever its values', () => {
    assert.equal(anchorOf('1.0.0', config, history(sinking), dataset)?.version, '1.0.0');
    assert.equal(anchorOf('7.0.0', config, history(sinking), dataset), undefined);
  });

  test('of the evidence must be the one that the policy names now, else the decision holds as stale', () => {
    const view = history(sinking);
    const candidate = artifact('candidate');
    const outcomeWith = (anchor: Artifact | undefined): [string, string | undefined] => {
      const comparison = {
        metric: 'accuracy',
        champion: 0.91,
        candidate: 0.911,
        delta: 0.001,
        lower: -0.005,
        upper: 0.007,
        margin: 0.01,
        alpha: 0.05,
        state: 'non-inferior',
        method: 'tango-score',
        n: 10,
      } as const;
      const passing = (id: string, more = {}) =>
        ({
          id,
          title: id,
          verdict: 'pass',
          severity: 'block',
          message: `${id}.`,
          observed: 1,
          required: 1,
          comparison: { ...comparison, ...more },
        }) as const;
      const evidence = buildEvidence({
        kind: 'evaluation',
        model: 'm',
        subjects: {
          candidate,
          champion: artifact('1.0.3'),
          ...(anchor === undefined ? {} : { anchor }),
          datasets: { evaluation: { uri: 'eval.csv', sha256: dataset, rows: 10 } },
        },
        policyDigest: digest(policySubject(config)),
        toolVersion: '0.0.0',
        startedAt: new Date(0),
        finishedAt: new Date(0),
        checks: [
          passing('evaluation/accuracy'),
          passing('evaluation/accuracy@anchor', { anchor: '1.0.1', champion: 0.92, delta: -0.009 }),
        ],
        details: {},
      });
      const subject = { model: 'm', config, candidate, stages: stageFacts(config) };
      const decision = decide(subject, [evidence], view, { now: new Date(0), actor: 'a', source: {}, approvals: [] });
      if (decision.outcome === 'promote') {
        const { candidate: value, champion, gain, anchor: held, anchorModel } = decision.evidence[0]!.summary;
        assert.deepEqual([value, champion, gain, held], [0.911, 0.91, 0.001, 0.92]);
        assert.equal(anchorModel, artifact('1.0.1').sha256);
      }
      return [decision.outcome, decision.reasons[0]?.code];
    };
    assert.deepEqual(outcomeWith(artifact('1.0.1')), ['promote', 'all-passed']);
    assert.deepEqual(outcomeWith(artifact('1.0.0')), ['hold', 'stale']);
    assert.deepEqual(outcomeWith(undefined), ['hold', 'stale']);
  });
});
