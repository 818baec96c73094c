import assert from 'node:assert/strict';
import { cp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Model } from '../../../src/config/index.ts';
import { parseConfig, stageFacts } from '../../../src/pipeline/configuration.ts';
import { ConfigError } from '../../../src/errors.ts';
import { evidenceDigest, type Check, type Evidence } from '../../../src/evidence/index.ts';
import { silentLog } from '../../../src/log.ts';
import { runStage } from '../../../src/pipeline/gate/run-stage.ts';
import { behaviour as stage } from '../../../src/stages/behaviour/stage.ts';
import { viewOf } from '../../../src/registry/manifest.ts';
import { openWorkspace } from '../../../src/pipeline/workspace.ts';
import { predictionProcesses } from '../../model/processes.ts';
import { saturatesEightBits } from '../../support/processor.ts';
import { fixture, inTemporaryFolder } from '../../support/project.ts';

const emptyView = viewOf(null, []);
const spam = `
    task: binary-classification
    columns: { id: id, label: label }
    policy: { primary: { metric: roc_auc, margin: 0.005 } }`;
const digits = `
    task: multiclass-classification
    columns: { id: id, label: label, features: [${Array.from({ length: 64 }, (_, at) => `p${Math.floor(at / 8)}${at % 8}`).join(', ')}] }
    policy: { primary: { metric: accuracy, margin: 0.01 } }`;

describe('efficiency', () => {
  it('is measured of both models turn about, and gated as a ratio with bounds', async () => {
    const { checks, details, verdict } = await behaviour(
      spam,
      `
      rows: 200
      efficiency:
        blocks: 20
        starts: 3
        batch: 64
        size: { max: 1MiB }
        size_ratio: { max: 2, severity: warn }
        memory: { max: 1GiB }
        memory_ratio: { max: 0.01 }
        batch_latency_ratio: { max: 1.5 }
        load_ratio: { max: 10000 }`,
      { candidate: 'spam/models/candidate.onnx', champion: 'spam/models/champion.onnx' },
    );
    assert.equal(verdict, 'fail');
    const verdicts = Object.fromEntries(checks.map((check) => [check.id, check.verdict]));
    assert.deepEqual(verdicts, {
      'behaviour/size': 'pass',
      'behaviour/size-ratio': 'fail',
      'behaviour/memory': 'pass',
      'behaviour/memory-ratio': 'fail',
      // Four hundred trees against a regression: tens of times.
      'behaviour/batch-latency-ratio': 'fail',
      'behaviour/load-ratio': 'pass',
      'behaviour/candidate': 'pass',
    });
    assert.match(
      find(checks, 'size-ratio').message,
      /379,931 bytes, 145\.3 times the 2,615 of the champion, at most 2 times allowed/u,
    );
    const { efficiency } = details['timings'] as { efficiency: Record<string, Record<string, number>> };
    for (const [name, { ratio, lower, upper, pairs }] of Object.entries(efficiency) as [string, never][]) {
      assert.ok(lower <= ratio && ratio <= upper, name);
      assert.ok(pairs === 3 || (pairs === 6 && name.includes('latency')), name);
    }
    assert.ok((efficiency['batch_latency']?.['lower'] ?? 0) > 1.5);
    assert.deepEqual(details['efficiency'], {
      size: { candidate: 379931, champion: 2615 },
      parameters: { candidate: 17600, champion: 242 },
      batch: 64,
    });
  });

  it('of a model against one of the same make finds no ratio far from one', async () => {
    const { details } = await behaviour(spam, 'efficiency: { blocks: 20, starts: 3 }\n      rows: 300', {
      candidate: 'spam/models/candidate.onnx',
      champion: 'spam/models/candidate-worse.onnx',
    });
    const { efficiency } = details['timings'] as { efficiency: Record<string, { lower: number; upper: number }> };
    const { lower = 0, upper = 0 } = efficiency['batch_latency'] ?? {};
    assert.ok(lower < 1.5 && upper > 0.67, `${lower} to ${upper}`);
  });
});

describe('agreement', () => {
  const both = 'agreement: { with: models/parent.onnx, min_label_agreement: 0.95, max_score_difference: 0.1 }';

  it(
    'of a quantised variant with its parent is shown on every row',
    { skip: saturatesEightBits ?? false },
    async () => {
      const { checks, details, verdict } = await behaviour(digits, both, {
        candidate: 'digits/models/candidate-int8.onnx',
        champion: 'digits/models/champion.onnx',
        parent: 'digits/models/candidate.onnx',
      });
      assert.equal(verdict, 'pass');
      assert.match(
        find(checks, 'label-agreement').message,
        /Candidate and the parent models\/parent\.onnx make the same decision on 700 of 700 rows, 100% \(bounds 99\.57% to 100%\), at least 95% required/u,
      );
      // The README of the case: quantisation moves a score by 0.047 at most.
      const { agreement } = details as { agreement: { scoreDifferences: { max: number; p50: number } } };
      assert.ok(Math.abs(agreement.scoreDifferences.max - 0.047) < 0.001, String(agreement.scoreDifferences.max));
      assert.ok(agreement.scoreDifferences.p50 < agreement.scoreDifferences.max);
      assert.match(find(checks, 'score-difference').message, /differ by 0\.047/u);
    },
  );

  it('of another model fails, and what rows cannot tell is inconclusive', async () => {
    const models = {
      candidate: 'digits/models/candidate-worse.onnx',
      champion: 'digits/models/champion.onnx',
      parent: 'digits/models/candidate.onnx',
    };
    const other = await behaviour(digits, both.replace('0.95', '0.99'), models);
    assert.equal(find(other.checks, 'label-agreement').verdict, 'fail');
    assert.equal(find(other.checks, 'score-difference').verdict, 'fail');
    if (saturatesEightBits !== undefined) return;
    const { checks } = await behaviour(digits, 'agreement: { with: models/parent.onnx, min_label_agreement: 0.999 }', {
      ...models,
      candidate: 'digits/models/candidate-int8.onnx',
    });
    assert.equal(find(checks, 'label-agreement').verdict, 'inconclusive');
  });

  it('with a champion that is not there is skipped, and with a prediction file is judged', async () => {
    const { checks } = await behaviour(
      spam,
      'agreement: { with: champion, min_label_agreement: 0.9 }\n      efficiency: { latency_ratio: { max: 2 } }',
      {
        candidate: '{ predictions: data/predictions.parquet, score: candidate }',
        champion: '{ predictions: data/predictions.parquet, score: champion }',
      },
    );
    assert.equal(find(checks, 'label-agreement').verdict, 'pass');
    const skipped = find(checks, 'candidate');
    assert.equal(skipped.verdict, 'skipped');
    assert.match(skipped.message, /the candidate is a file of predictions/u);
  });
});

describe('robustness', () => {
  it('is not examined of columns that no model takes', () =>
    assert.rejects(
      behaviour(spam, 'robustness: { noise: 0.1, margin: 0.001, columns: [word_fre] }', {
        candidate: 'spam/models/champion.onnx',
      }),
      (error) => error instanceof ConfigError && /"word_fre" in robustness\.columns/u.test(error.message),
    ));

  const settings =
    'robustness: { noise: 0.1, missing: 0.05, unseen_categories: 0.1, margin: 0.001, max_flip_rate: 0.2 }';

  it('sets what the candidate loses on changed data against what the champion loses', async () => {
    const { checks } = await behaviour(spam, settings, {
      candidate: 'spam/models/candidate.onnx',
      champion: 'spam/models/champion.onnx',
    });
    // Splits of trees move with a little noise, a regression hardly.
    assert.equal(find(checks, 'robustness-noise').verdict, 'fail');
    assert.match(
      find(checks, 'robustness-noise').message,
      /the candidate loses .* and the champion .* at most 0\.10 points/u,
    );
    assert.equal(find(checks, 'flips-noise').verdict, 'pass');
    const missing = find(checks, 'robustness-missing');
    assert.equal(missing.verdict, 'pass');
    assert.match(missing.message, /the champion cannot predict at all: .*NaN/u);
    assert.equal(find(checks, 'robustness-unseen').verdict, 'skipped');
  });

  it('tells a candidate that answers with an error', async () => {
    const { checks, verdict } = await behaviour(spam, settings, {
      candidate: 'spam/models/champion.onnx',
      champion: 'spam/models/candidate.onnx',
    });
    assert.equal(verdict, 'fail');
    const missing = find(checks, 'robustness-missing');
    assert.equal(missing.verdict, 'fail');
    assert.match(missing.message, /With 5% of the values missing the candidate fails; it says: .*NaN/u);
  });

  it('knows texts, whole numbers and flags apart', async () => {
    await inTemporaryFolder(async (folder) => {
      const rows = Array.from({ length: 120 }, (_, row) => {
        const kind = ['setosa-like', 'other', 'virginica-like'][row % 3];
        return `${row},${(4 + (row % 29) / 10).toFixed(1)},${1 + (row % 7)},${kind},${row % 3 === 0 ? 1 : 0}`;
      });
      await writeFile(join(folder, 'rows.csv'), `id,length,count,kind,label\n${rows.join('\n')}\n`);
      const { checks, details } = await behaviour(spam, 'robustness: { missing: 0.2, unseen_categories: 0.5 }', {
        candidate: 'onnx-zoo/named-columns-mixed.onnx',
        data: join(folder, 'rows.csv'),
      });
      const [missing, unseen] = details['robustness'] as { candidate: { columns?: number; fault?: string } }[];
      // Of its three columns one is of text; a missing length makes a sigmoid of it NaN, which is told and gates nothing here.
      assert.equal(unseen?.candidate.columns, 1);
      assert.match(missing?.candidate.fault ?? '', /NaN/u);
      assert.equal(find(checks, 'robustness-missing').verdict, 'fail');
      assert.deepEqual(
        checks.filter(({ id }) => id.includes('robustness')).map(({ severity }) => severity),
        ['info', 'info'],
      );
    });
  });
});

describe('permutation importance', () => {
  it('finds what the model looks at, what it does not, and the shift from the champion', async () => {
    await inTemporaryFolder(async (folder) => {
      const settings =
        'rows: 600\n      importance: { features: [word_free, n_urls, nonascii_share, html_share], max_shift: 0.001 }';
      const { checks, details } = await behaviour(spam, settings, {
        candidate: 'spam/models/candidate.onnx',
        champion: 'spam/models/champion.onnx',
      });
      const { importance } = details as {
        importance: { features: { feature: string; candidate: { drop: number } }[]; shift: Record<string, number> };
      };
      assert.equal(importance.features.length, 4);
      assert.ok(importance.features.every(({ candidate }) => Number.isFinite(candidate.drop)));
      const { lower = 1, value = 0, upper = 0 } = importance.shift;
      assert.ok(lower <= value && value <= upper && upper <= 1);
      assert.equal(find(checks, 'importance-shift').verdict, 'fail');
      assert.equal(find(checks, 'importance').severity, 'info');

      // A regression on one column alone: that column, and nothing else.
      const rows = Array.from(
        { length: 100 },
        (_, row) => `${row},${row % 10},${(row * 7) % 13},other,${row % 10 > 5 ? 1 : 0}`,
      );
      await writeFile(join(folder, 'rows.csv'), `id,length,count,kind,label\n${rows.join('\n')}\n`);
      const alone = await behaviour(spam, 'importance: {}', {
        candidate: 'onnx-zoo/named-columns-mixed.onnx',
        data: join(folder, 'rows.csv'),
      });
      const [first] = (alone.details['importance'] as { features: { feature: string }[] }).features;
      assert.equal(first?.feature, 'length');
    });
  });

  it('refuses a feature that no model takes', async () => {
    await assert.rejects(
      behaviour(spam, 'importance: { features: [word_fre] }', { candidate: 'spam/models/champion.onnx' }),
      (error) => error instanceof ConfigError && /"word_fre" in importance\.features/u.test(error.message),
    );
  });
});

describe('evidence of behaviour', () => {
  it('has the same digest when nothing but time has passed, and leaves no process behind', async () => {
    const run = (): Promise<Evidence> =>
      behaviour(
        spam,
        'rows: 300\n      robustness: { noise: 0.1, margin: 0.1 }\n      importance: { features: [n_urls] }',
        {
          candidate: 'spam/models/candidate.onnx',
          champion: 'spam/models/champion.onnx',
        },
      );
    const [first, second] = [await run(), await run()];
    assert.equal(evidenceDigest(first), evidenceDigest(second));
    assert.deepEqual(await predictionProcesses(), []);
  });

  it('fails for a candidate that cannot be run, and compares nothing with a champion that cannot', async () => {
    const settings = 'efficiency: { memory_ratio: { max: 2 }, blocks: 20, starts: 3 }\n      rows: 50';
    const broken = await behaviour(spam, settings, {
      candidate: 'onnx-zoo/broken/type-error.onnx',
      champion: 'spam/models/champion.onnx',
    });
    assert.equal(find(broken.checks, 'candidate').verdict, 'fail');
    const against = await behaviour(spam, settings, {
      candidate: 'spam/models/champion.onnx',
      champion: 'onnx-zoo/broken/type-error.onnx',
    });
    assert.equal(find(against.checks, 'memory-ratio').verdict, 'inconclusive');
    assert.match(find(against.checks, 'memory-ratio').message, /the champion cannot be run/u);
    const first = await behaviour(spam, settings, { candidate: 'spam/models/champion.onnx' });
    assert.equal(find(first.checks, 'memory-ratio').verdict, 'skipped');
    assert.match(find(first.checks, 'memory-ratio').message, /there is no champion yet/u);
  });

  it('is required for a promotion where something is gated, not where it is advice', () => {
    const required = (section: string): string[] => {
      const text = configuration(spam, section, 'a.onnx', undefined, 'eval.parquet');
      const model = parseConfig(text, 'contender.yml').models['m'] as Model;
      return stageFacts(model).flatMap((each) => (each.required ? [each.kind] : []));
    };
    assert.deepEqual(required('importance: {}'), ['evaluation']);
    assert.deepEqual(required('efficiency: { blocks: 20, size: { max: 1MiB, severity: warn } }'), ['evaluation']);
    assert.deepEqual(required('efficiency: { size: { max: 1MiB } }'), ['evaluation', 'behaviour']);
    assert.deepEqual(required('robustness: { noise: 0.1, margin: 0 }'), ['evaluation', 'behaviour']);
    assert.throws(
      () => required('robustness: { noise: 0.1, max_flip: 0.1 }'),
      /max_flip.*Did you mean|max_flip_rate/su,
    );
  });

  it('gates no importance that one feature alone would have to lose to others', () => {
    const parsed = (features: string): unknown =>
      parseConfig(
        configuration(
          spam,
          `importance: { max_shift: 0.1, features: ${features} }`,
          'a.onnx',
          undefined,
          'eval.parquet',
        ),
        'contender.yml',
      );
    assert.throws(() => parsed('[n_urls]'), /max_shift needs two features or more/u);
    assert.throws(() => parsed('[n_urls, n_urls]'), /max_shift needs two features or more|unique|twice/u);
    assert.doesNotThrow(() => parsed('[n_urls, word_free]'));
  });

  it('gates no decisions where none are made', () => {
    const regression = spam.replace('binary-classification', 'regression').replace('roc_auc', 'rmse');
    assert.throws(
      () =>
        parseConfig(
          configuration(
            regression,
            'robustness: { noise: 0.1, max_flip_rate: 0.1 }',
            'a.onnx',
            undefined,
            'eval.parquet',
          ),
          'contender.yml',
        ),
      /max_flip_rate needs decisions/u,
    );
  });
});

function configuration(
  model: string,
  section: string,
  candidate: string,
  champion: string | undefined,
  data: string,
): string {
  return `version: 1
models:
  m:${model}
    candidate: ${candidate}${champion === undefined ? '' : `\n    champion: ${champion}`}
    data: { evaluation: ${data} }
    behaviour:
      ${section}
`;
}

/** Run the stage in a folder of its own. Models are files of fixtures/, or references as contender.yml has them. */
function behaviour(
  model: string,
  section: string,
  files: { candidate: string; champion?: string; parent?: string; data?: string },
): Promise<Evidence> {
  return inTemporaryFolder(async (folder) => {
    const place = async (role: string, from: string | undefined): Promise<string | undefined> => {
      if (from === undefined || from.startsWith('{')) return from;
      await cp(fixture(from), join(folder, 'models', `${role}.onnx`), { recursive: true });
      return `models/${role}.onnx`;
    };
    const name = model === spam ? 'spam' : 'digits';
    const data = `data/eval${files.data === undefined ? '.parquet' : '.csv'}`;
    await cp(files.data ?? fixture(`${name}/data/eval.parquet`), join(folder, data));
    await cp(fixture(`${name}/predictions/predictions.parquet`), join(folder, 'data/predictions.parquet'));
    await place('parent', files.parent);
    const text = configuration(
      model,
      section,
      (await place('candidate', files.candidate)) as string,
      await place('champion', files.champion),
      data,
    );
    await writeFile(join(folder, 'contender.yml'), text);
    const workspace = await openWorkspace({ root: folder, config: 'contender.yml', out: 'out', log: silentLog });
    return runStage(workspace, stage, async () => emptyView);
  });
}

function find(checks: readonly Check[], name: string): Check {
  return (
    checks.find(({ id }) => id === `behaviour/${name}`) ??
    assert.fail(`no ${name} among ${checks.map(({ id }) => id).join(', ')}`)
  );
}
