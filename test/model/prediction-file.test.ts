import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import type { Columns, Task } from '../../src/config/schema.ts';
import { openDataset } from '../../src/data/dataset.ts';
import {
  digestFiles,
  readPredictionFile,
  writePredictionFile,
  type PredictionReference,
} from '../../src/model/prediction-file.ts';
import type { Predictions } from '../../src/model/predictions.ts';
import { writeParquet } from '../support/parquet.ts';
import { fixture, inTemporaryFolder } from '../support/project.ts';
import fc from '../support/properties.ts';

const columns: Columns = { id: 'id', label: 'label' };
const data = 'id,label,x\na,1,5\nb,0,6\nc,1,7\n';

describe('a file of predictions', () => {
  it('is put in the order of the data, and rows of other data are left out', async () => {
    const predictions = await read('id,score\nz,0.1\nc,0.75\na,0.25\nb,0.5\n');
    assert.deepEqual(predictions.scores, Float64Array.of(0.25, 0.5, 0.75));
    assert.equal(predictions.kind, 'probability');
    assert.equal(predictions.threshold, 0.5);
  });

  it('holds the predictions of the spam models as they were made', async () => {
    const dataset = await openDataset({ name: 'evaluation', path: fixture('spam/data/eval.parquet'), uri: 'eval' });
    try {
      const { scores } = await readPredictionFile({
        reference: { predictions: 'predictions.parquet', score: 'champion', threshold: 0.4 },
        path: fixture('spam/predictions/predictions.parquet'),
        dataset,
        columns,
        task: 'binary-classification',
      });
      assert.equal(scores?.length, 2350);
      assert.ok(scores.every((score) => Math.fround(score) === score));
    } finally {
      dataset.close();
    }
  });

  const refused: [what: string, file: string, message: RegExp, reference?: Partial<PredictionReference>][] = [
    [
      'an id stands twice',
      'id,score\na,0.1\nb,0.2\nc,0.3\nb,0.4\n',
      /1 ids occur more than once in the predictions: b/u,
    ],
    ['rows are missing', 'id,score\na,0.1\n', /2 of 3 rows of data\.csv have no prediction: id b, c/u],
    ['an id is missing', 'id,score\na,0.1\nb,0.2\nc,0.3\n,0.4\n', /1 predictions have no id/u],
    [
      'labels differ',
      'id,score,label\na,0.1,1\nb,0.2,0\nc,0.3,0\n',
      /1 labels differ from data\.csv: id c \(0 here, 1 in the data\)/u,
    ],
    [
      'its labels are those it is to be judged by',
      'id,label\na,1.0\nb,0\nc,1\n',
      /in column "label" equal the label in every row/u,
      { label: 'label' },
    ],
    [
      'its scores are the label',
      'id,Label\na,1\nb,0\nc,1\n',
      /in column "Label" equal the label in every row/u,
      { score: 'Label' },
    ],
    [
      'its scores are of the other class than its labels',
      'id,prediction,score\na,1,0.1\nb,0,0.9\nc,1,0.2\n',
      /predicted labels contradict the scores in 3 of 3 rows .*scores of the class "1": these are the scores of the other class/u,
    ],
    [
      'its scores are those of whichever label it predicts',
      'id,prediction,score\na,1,0.9\nb,0,0.95\nc,1,0.6\n',
      /no score is below 0\.5, and no threshold .* Expected scores of the class "1"\. .*1 - score/u,
    ],
    [
      'they are so and a threshold is stated',
      'id,prediction,score\na,1,0.9\nb,0,0.95\nc,1,0.6\n',
      /no score is below 0\.5/u,
      { threshold: 0.7 },
    ],
    [
      'it writes one class in two ways',
      'id,prediction\na,1.1\nb,1.10\nc,2\n',
      /column "prediction" has the labels "1\.1" and "1\.10", of row 2\. Expected one spelling for each class/u,
    ],
    [
      'a score is a word',
      'id,score\na,0.1\nb,NA\nc,0.3\n',
      /row 2 is "NA"\. Expected numbers\. Write a number in every/u,
    ],
    ['it has another delimiter', 'id;score\na;1\n', /has semicolons and no comma: .* Write the file with commas\.$/u],
    ['a score is NaN', 'id,score\na,0.1\nb,nan\nc,0.3\n', /the score of id b is missing/u],
    ['a score is missing', 'id,score\na,0.1\nb,\nc,0.3\n', /the score of id b is missing/u],
    ['a score is no probability', 'id,score\na,0.1\nb,0.2\nc,3\n', /row 3 of the data is given the probability 3/u],
    [
      'there is no score',
      'id,x\na,1\nb,2\nc,3\n',
      /there is no column "score"\. Expected the predictions in one of: id, x/u,
    ],
    ['the score is text', 'id,score\na,high\nb,low\nc,low\n', /column "score", row 1 is "high"\. Expected numbers/u],
    [
      'the named column is not there',
      'id,score\na,1\nb,1\nc,1\n',
      /no column "scores".*Did you mean "score"/u,
      { score: 'scores' },
    ],
  ];
  for (const [what, file, message, reference] of refused) {
    it(`is refused when ${what}`, async () => {
      await assert.rejects(read(file, reference === undefined ? {} : { reference }), (error: Error) => {
        assert.equal(error.name, 'DataError');
        assert.match(error.message, message);
        return true;
      });
    });
  }

  it('is refused when its labels say that its scores are in another order of the classes', async () => {
    const file = (label: string): string =>
      `id,prediction,score_ham,score_spam,score_eggs\na,spam,0.7,0.2,0.1\nb,eggs,0.1,0.8,0.1\nc,${label},0.1,0.2,0.7\n`;
    await assert.rejects(
      read(file('ham'), { task: 'multiclass-classification' }),
      /in 3 of 3 rows .*scores in the order spam, eggs, ham/u,
    );
    // Another rule than the highest score (priors, a threshold) is no other order.
    const { labels } = await read(file('spam'), { task: 'multiclass-classification' });
    assert.deepEqual(labels, Int32Array.of(1, 2, 1));
    const tuned = await read('id,prediction,score\na,1,0.2\nb,0,0.1\nc,1,0.9\n');
    assert.deepEqual(tuned.labels, Int32Array.of(1, 0, 1));
    // Scores that are all above one half, and a threshold above that.
    const strict = await read('id,prediction,score\na,1,0.9\nb,0,0.6\nc,1,0.95\n');
    assert.deepEqual(strict.labels, Int32Array.of(1, 0, 1));
  });

  it('gives each class its probability, by the names of the columns or by the configuration', async () => {
    const file = 'id,score_ham,score_spam,score_eggs\na,0.1,0.2,0.7\nb,0.3,0.3,0.4\nc,1,0,0\n';
    const named = await read(file, { task: 'multiclass-classification' });
    assert.deepEqual(named.classes, ['ham', 'spam', 'eggs']);
    assert.deepEqual(named.scores, Float64Array.of(0.1, 0.2, 0.7, 0.3, 0.3, 0.4, 1, 0, 0));
    const listed = await read(file, {
      task: 'multiclass-classification',
      reference: { score: ['score_eggs', 'score_ham', 'score_spam'] },
      columns: { ...columns, classes: ['eggs', 'ham', 'spam'] },
    });
    assert.deepEqual(listed.scores?.subarray(0, 3), Float64Array.of(0.7, 0.1, 0.2));
    const ordered = await read(file, {
      task: 'multiclass-classification',
      columns: { ...columns, classes: ['eggs', 'ham', 'spam'] },
    });
    assert.deepEqual(ordered.classes, ['ham', 'spam', 'eggs'], 'names tell more than an order');
    await assert.rejects(
      read('id,score_0,score_1\na,0.1,0.2\nb,0.5,0.5\nc,1,0\n', { task: 'multiclass-classification' }),
      /class probabilities of row 1 of the data \(score_0, score_1\) add up to/u,
    );
  });

  it('of a regression or a ranking holds the values in a column score, else prediction, and never in one of two', async () => {
    for (const task of ['regression', 'ranking'] as const) {
      const { kind, scores } = await read('id,prediction\na,1.5\nb,-2\nc,4\n', { task });
      assert.deepEqual([kind, scores], ['value', Float64Array.of(1.5, -2, 4)]);
      const both = 'id,score,prediction\na,1,1.5\nb,2,-2\nc,3,4\n';
      await assert.rejects(read(both, { task }), /columns score and prediction may both hold the predicted values/u);
      const named = await read(both, { task, reference: { score: 'prediction' } });
      assert.deepEqual(named.scores, scores);
    }
  });

  it('gives each class the column of a list that is named after it, in whatever order the list is', async () => {
    const many = { task: 'multiclass-classification' } as const;
    const file = 'id,p_0,p_1,p_2\na,0.1,0.2,0.7\nb,0.3,0.3,0.4\nc,1,0,0\n';
    const turned = await read(file, { ...many, reference: { score: ['p_2', 'p_0', 'p_1'] } });
    assert.deepEqual(
      [turned.classes, turned.scores?.subarray(0, 3)],
      [['2', '0', '1'], Float64Array.of(0.7, 0.1, 0.2)],
    );
    const binary = await read('id,proba_0,proba_1\na,0.25,0.75\nb,0.5,0.5\nc,1,0\n', {
      reference: { score: ['proba_1', 'proba_0'] },
    });
    assert.deepEqual(binary.scores, Float64Array.of(0.75, 0.5, 0));
    const words = 'id,ham probability,spam probability\na,0.25,0.75\nb,0.5,0.5\nc,1,0\n';
    for (const classes of [undefined, ['ham', 'spam']]) {
      const { scores } = await read(words, {
        reference: { score: ['spam probability', 'ham probability'] },
        columns: { ...columns, positive: 'spam', ...(classes === undefined ? {} : { classes }) },
        data: 'id,label,x\na,spam,5\nb,ham,6\nc,spam,7\n',
      });
      assert.deepEqual(scores, Float64Array.of(0.75, 0.5, 0));
    }
    await assert.rejects(
      read('id,ham_1,spam_0\na,0.25,0.75\nb,0.5,0.5\nc,1,0\n', {
        reference: { score: ['ham_1', 'spam_0'] },
        columns: { ...columns, positive: 'spam' },
        data: 'id,label,x\na,spam,5\nb,ham,6\nc,spam,7\n',
      }),
      /ham_1, spam_0 are ambiguous: they start with ham, spam and end with 1, 0/u,
    );
    // Names that say nothing of the classes leave the order of the list.
    const plain = await read('id,first,second\na,0.25,0.75\nb,0.5,0.5\nc,1,0\n', {
      reference: { score: ['first', 'second'] },
    });
    assert.deepEqual(plain.scores, Float64Array.of(0.75, 0.5, 0));
  });

  describe('of several labels a row', () => {
    const several = { task: 'multilabel-classification', columns: { id: 'id', label: ['label', 'x'] } } as const;
    const options = { ...several, columns: { ...several.columns, label: [...several.columns.label] } };

    it('has a score of each, by name or in the order that is listed, and agrees with the labels it repeats', async () => {
      const named = await read('id,score_x,score_label\na,0.9,0.1\nb,0.8,0.2\nc,0.7,0.3\n', options);
      assert.deepEqual(named.scores, Float64Array.of(0.1, 0.9, 0.2, 0.8, 0.3, 0.7));
      assert.deepEqual([named.classes, named.kind], [['label', 'x'], 'probability']);
      const listed = await read('id,p,q,x\nb,0.2,0.8,6\na,0.1,0.9,5\nc,0.3,0.7,7\n', {
        ...options,
        reference: { score: ['p', 'q'], threshold: [0.5, 0.3] },
      });
      assert.deepEqual([listed.scores, listed.threshold], [named.scores, [0.5, 0.3]]);
      const turned = await read('id,p_x,p_label\na,0.9,0.1\nb,0.8,0.2\nc,0.7,0.3\n', {
        ...options,
        reference: { score: ['p_x', 'p_label'] },
      });
      assert.deepEqual(turned.scores, named.scores, 'columns named after the labels say which is which');
      await assert.rejects(
        read('id,score_x,score_label,x\na,0.9,0.1,5\nb,0.8,0.2,1\nc,0.7,0.3,7\n', options),
        /1 labels differ from data\.csv: id b \(1 here, 6 in the data\)\. Expected the same x/u,
      );
    });

    it('may hold a 0 or 1 of each instead', async () => {
      const { kind, labels, scores } = await read('id,prediction_x,prediction_label\na,1,0\nb,0,0\nc,1,1\n', options);
      assert.deepEqual([kind, scores, labels], ['label', null, Int32Array.of(0, 1, 0, 0, 1, 1)]);
    });

    for (const [what, file, message, reference] of [
      ['a label has no score', 'id,score_x\na,1\nb,1\nc,1\n', /no column "score_label"/u, {}],
      ['no column says anything', 'id,score\na,1\nb,1\nc,1\n', /no columns score_label, score_x/u, {}],
      [
        'too few are listed',
        'id,p\na,1\nb,1\nc,1\n',
        /1 column of scores\. Expected 2, one for each/u,
        { score: ['p'] },
      ],
      [
        'a score is none',
        'id,score_x,score_label\na,1,1\nb,1,2\nc,1,1\n',
        /row 2 of the data is given the probability 2/u,
        {},
      ],
      [
        'a decision is none',
        'id,prediction_x,prediction_label\na,1,1\nb,1,2\nc,1,1\n',
        /row 2 of the data has 2 in prediction_label/u,
        {},
      ],
      [
        'a decision is text',
        'id,prediction_x,prediction_label\na,1,1\nb,1,yes\nc,1,1\n',
        /column "prediction_label", row 2 is "yes"\. Expected numbers/u,
        {},
      ],
    ] as const) {
      it(`is refused where ${what}`, () =>
        assert.rejects(read(file, { ...options, reference: reference as Partial<PredictionReference> }), message));
    }
  });

  describe('with scores and labels', () => {
    const file = 'id,score,prediction\na,0.4,1\nb,0.1,0\nc,0.9,0\n';

    it('decides by the labels, unless a threshold is stated', async () => {
      const { labels, labelsDecide, scores } = await read(file);
      assert.deepEqual([labels, labelsDecide], [Int32Array.of(1, 0, 0), true]);
      assert.deepEqual(scores, Float64Array.of(0.4, 0.1, 0.9));
      const stated = await read(file, { reference: { threshold: 0.3 } });
      assert.deepEqual([stated.labelsDecide, stated.threshold], [undefined, 0.3]);
    });

    it('decides so for every label of a row, and among several classes', async () => {
      const several = await read(
        'id,score_label,score_x,prediction_label,prediction_x\na,0.1,0.9,1,0\nb,0.1,0.9,1,0\nc,0.1,0.9,1,0\n',
        { task: 'multilabel-classification', columns: { id: 'id', label: ['label', 'x'] } },
      );
      assert.deepEqual([several.labelsDecide, several.labels], [true, Int32Array.of(1, 0, 1, 0, 1, 0)]);
      const classes = await read('id,score_0,score_1,prediction\na,0.1,0.9,0\nb,0.1,0.9,1\nc,0.1,0.9,1\n', {
        task: 'multiclass-classification',
      });
      assert.deepEqual([classes.labelsDecide, classes.labels], [true, Int32Array.of(0, 1, 1)]);
    });
  });

  describe('with a lone column of scores', () => {
    const lone = (name: string, options: Parameters<typeof read>[1] = {}): Promise<Predictions> =>
      read(`id,${name}\na,0.25\nb,0.5\nc,1\n`, options);

    it('is of the class in its name: of the negative class the rest to 1', async () => {
      assert.deepEqual((await lone('score_1')).scores, Float64Array.of(0.25, 0.5, 1));
      assert.deepEqual((await lone('score_0')).scores, Float64Array.of(0.75, 0.5, 0));
      const listed = { ...columns, positive: 'spam', classes: ['ham', 'spam'] };
      assert.deepEqual((await lone('score_ham', { columns: listed })).scores, Float64Array.of(0.75, 0.5, 0));
      const stated = { reference: { score: 'score_0' } };
      assert.deepEqual((await lone('score_0', stated)).scores, Float64Array.of(0.75, 0.5, 0));
    });

    it('of a class that is none is refused, unless it was named as the column of the scores', async () => {
      await assert.rejects(
        lone('score_spam'),
        /only scores are in column "score_spam", but there is no class "spam"\. Expected scores of one of the classes 0, 1/u,
      );
      const stated = { reference: { score: 'score_v2' } };
      assert.deepEqual((await lone('score_v2', stated)).scores, Float64Array.of(0.25, 0.5, 1));
    });

    it('is taken for that of the positive class unless its name says of which it is', async () => {
      assert.equal((await lone('score')).assumedPositive, 'name their column score_1');
      const named = (await lone('score_v2', { reference: { score: 'score_v2' } })).assumedPositive;
      assert.equal(named, 'name their column score_1');
      assert.equal((await lone('score_1')).assumedPositive, undefined);
      assert.equal(
        (await lone('score', { columns: { ...columns, positive: 1, classes: [0, 1] } })).assumedPositive,
        undefined,
      );
      assert.equal((await lone('score_0')).assumedPositive, undefined);
    });
  });

  it('whose columns are named after some of the classes only is refused: which is which is not for us to say', () =>
    assert.rejects(
      read('id,score_ham,score_Spam\na,0.1,0.9\nb,0.5,0.5\nc,1,0\n', {
        columns: { ...columns, positive: 'spam', classes: ['spam', 'ham'] },
      }),
      /are named after a class and others are not\. Expected one column for each of the classes spam, ham/u,
    ));

  it('tells labels as the data does, whatever type either has', async () => {
    for (const [file, expected] of [
      ['id,prediction\na,1.0\nb,0.0\nc,0.0\n', ['0', '1']],
      ['id,prediction\na,True\nb,False\nc,False\n', ['false', 'true']],
      ['id,prediction\na,yes\nb,no\nc,no\n', ['no', 'yes']],
    ] as const) {
      const { classes, classesFrom, labels } = await read(file);
      assert.deepEqual([classes, classesFrom, labels], [expected, 'predicted', Int32Array.of(1, 0, 0)]);
    }
    await assert.rejects(
      read('id,prediction\na,Spam\nb,ham\nc,ham\n', { columns: { ...columns, classes: ['ham', 'spam'] } }),
      /row 1 is predicted "Spam"\. Expected one of the classes ham, spam/u,
    );
  });

  it('is refused where its scores are lists', () =>
    inTemporaryFolder(async (folder) => {
      await writeFile(join(folder, 'data.csv'), data);
      const rows = `select * from (values ('a', [0.1, 0.9]), ('b', [0.1, 0.9]), ('c', [0.1, 0.9])) t(id, score)`;
      await writeParquet(join(folder, 'p.parquet'), rows);
      await assert.rejects(
        readFrom(folder, 'p.parquet'),
        /column "score" is DECIMAL\(2,1\)\[\]\. Expected numbers\. Write each value to a column of its own \(of probabilities: score_<class>\)/u,
      );
    }));

  describe('joined by id', () => {
    /** Scores of a.* joined with the rows of b.*: 0.25 for the first id, 0.75 for the second. */
    const joined = (own: string[], given: string[], types: [own: string, given: string]): Promise<number[]> =>
      inTemporaryFolder(async (folder) => {
        const write = async (
          name: string,
          type: string,
          ids: string[],
          column: string,
          values: number[],
        ): Promise<string> => {
          const file = `${name}.${type === 'csv' ? 'csv' : 'parquet'}`;
          const path = join(folder, file);
          if (type === 'csv')
            await writeFile(path, `id,${column}\n${ids.map((id, at) => `${id},${values[at]}\n`).join('')}`);
          else {
            const rows = ids.map((id, at) => `('${id}'::${type}, ${values[at]}::double)`).join(', ');
            await writeParquet(path, `select * from (values ${rows}) t(id, ${column})`);
          }
          return file;
        };
        const dataFile = await write('data', types[0], own, 'label', [1, 0]);
        const file = await write('p', types[1], given.toReversed(), 'score', [0.75, 0.25]);
        const { scores } = await readFrom(folder, file, dataFile);
        return [...(scores ?? [])];
      });

    it('takes a whole number for one, whatever the types of the files', async () => {
      for (const types of [
        ['double', 'bigint'],
        ['csv', 'double'],
        ['decimal(10,2)', 'csv'],
        ['bigint', 'varchar'],
      ] as [string, string][]) {
        assert.deepEqual(await joined(['7', '8'], ['7', '8'], types), [0.25, 0.75], types.join());
      }
      assert.deepEqual(await joined(['7.0', '8.0'], ['7', '8'], ['csv', 'csv']), [0.25, 0.75]);
    });

    it('keeps leading zeros where both sides are text, and not where one says that they are numbers', async () => {
      assert.deepEqual(await joined(['0007', '7'], ['0007', '7'], ['csv', 'csv']), [0.25, 0.75]);
      assert.deepEqual(await joined(['0007', '7'], ['0007', '7'], ['varchar', 'csv']), [0.25, 0.75]);
      assert.deepEqual(await joined(['0007', '0008'], ['7', '8'], ['csv', 'bigint']), [0.25, 0.75]);
      await assert.rejects(
        joined(['0007', '0008'], ['7', '8'], ['csv', 'csv']),
        /2 of 2 rows of data\.csv have no prediction: id 0007, 0008; the predictions have ids such as "7", "8", which are not in the data/u,
      );
    });

    it('says that ids differ only in what cannot be seen', async () => {
      await assert.rejects(
        joined(['r1 ', 'r2'], ['r1', 'r2'], ['csv', 'csv']),
        /: 1 differ only in spaces, case or Unicode form/u,
      );
      await assert.rejects(
        joined(['caf\u00e9', 'A'], ['cafe\u0301', 'a'], ['csv', 'varchar']),
        /2 of 2 rows .*: 2 differ only in spaces, case or Unicode form\. Expected a prediction for every row/u,
      );
      await assert.rejects(joined(['1', '2'], ['3', '4'], ['csv', 'csv']), /which are not in the data\. Expected/u);
    });

    it('sets apart ids of twenty digits', async () => {
      const ids = ['12345678901234567890', '12345678901234567891'];
      assert.deepEqual(await joined(ids, ids, ['csv', 'csv']), [0.25, 0.75]);
      const others = ['12345678901234567967', '12345678901234567968'];
      await assert.rejects(joined(ids, others, ['csv', 'csv']), /2 of 2 rows of data\.csv have no prediction/u);
    });
  });

  it('that cannot be read or written is told as such', () =>
    inTemporaryFolder(async (folder) => {
      await mkdir(join(folder, 'p.csv'));
      await assert.rejects(digestFiles(join(folder, 'p.csv')), { name: 'DataError', message: /this is a folder/u });
      await promisify(execFile)('mkfifo', [join(folder, 'pipe.csv')]);
      for (const path of [join(folder, 'pipe.csv'), '/dev/zero']) {
        await assert.rejects(digestFiles(path), { name: 'DataError', message: /this is not a file/u });
      }
      await writeFile(join(folder, 'file'), '');
      await assert.rejects(digestFiles(join(folder, 'file/*.csv')), { name: 'DataError', message: /ENOTDIR/u });
      for (const uri of ['p.csv', 'file/p.csv']) {
        const written = writePredictionFile({
          path: join(folder, uri),
          uri,
          idColumn: 'id',
          ids: ['a'],
          predictions: binary(Float64Array.of(0.5)),
        });
        await assert.rejects(written, {
          name: 'UsageError',
          message: /cannot be written \((?:EISDIR|ENOTDIR|EEXIST)\)/u,
        });
      }
    }));

  it('may hold labels only', async () => {
    const predictions = await read('id,prediction\nb,0\na,1\nc,0\n');
    assert.equal(predictions.kind, 'label');
    assert.deepEqual(predictions.labels, Int32Array.of(1, 0, 0));
  });

  it('gives back what was written, whole or in shards', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ score: fc.float({ min: 0, max: 1, noNaN: true }), shard: fc.nat(2) }), {
          minLength: 1,
          maxLength: 40,
        }),
        fc.constantFrom('parquet', 'csv'),
        async (rows, format) => {
          await inTemporaryFolder(async (folder) => {
            const path = join(folder, 'data.csv');
            await writeFile(path, `id,label\n${rows.map((_, index) => `row ${index},${index % 2}`).join('\n')}\n`);
            for (const shard of [0, 1, 2]) {
              const own = rows.flatMap((row, index) => (row.shard === shard ? [{ ...row, index }] : []));
              if (own.length === 0) continue;
              await writePredictionFile({
                path: join(folder, `part-${shard}.${format}`),
                uri: `part-${shard}.${format}`,
                idColumn: 'id',
                ids: own.map(({ index }) => `row ${index}`),
                predictions: binary(Float64Array.from(own, ({ score }) => score)),
              });
            }
            const dataset = await openDataset({ name: 'evaluation', path, uri: 'data.csv' });
            try {
              const read = await readPredictionFile({
                reference: { predictions: `part-*.${format}` },
                path: join(folder, `part-*.${format}`),
                dataset,
                columns,
                task: 'binary-classification',
              });
              assert.deepEqual(
                read.scores,
                Float64Array.from(rows, ({ score }) => score),
              );
            } finally {
              dataset.close();
            }
          });
        },
      ),
      { numRuns: 8 },
    );
  });

  it('is identified by its bytes, and shards by all of theirs', async () => {
    await inTemporaryFolder(async (folder) => {
      await writeFile(join(folder, 'p-1.csv'), 'id,score\na,1\n');
      const one = await digestFiles(join(folder, 'p-*.csv'));
      assert.equal(one.size, 13);
      await writeFile(join(folder, 'p-2.csv'), 'id,score\nb,1\n');
      assert.notEqual((await digestFiles(join(folder, 'p-*.csv'))).sha256, one.sha256);
      assert.equal((await digestFiles(join(folder, 'p-1.csv'))).sha256, one.sha256);
      await assert.rejects(digestFiles(join(folder, 'q-*.csv')), /no file matches/u);
    });
  });
});

async function read(
  file: string,
  options: { reference?: Partial<PredictionReference>; columns?: Columns; task?: Task; data?: string } = {},
): Promise<Predictions> {
  return inTemporaryFolder(async (folder) => {
    await writeFile(join(folder, 'data.csv'), options.data ?? data);
    await writeFile(join(folder, 'predictions.csv'), file);
    return readFrom(folder, 'predictions.csv', 'data.csv', options);
  });
}

async function readFrom(
  folder: string,
  file: string,
  dataFile = 'data.csv',
  options: Parameters<typeof read>[1] = {},
): Promise<Predictions> {
  const dataset = await openDataset({ name: 'evaluation', path: join(folder, dataFile), uri: dataFile });
  try {
    return await readPredictionFile({
      reference: { predictions: file, ...options.reference },
      path: join(folder, file),
      dataset,
      columns: options.columns ?? columns,
      task: options.task ?? 'binary-classification',
    });
  } finally {
    dataset.close();
  }
}

function binary(scores: Float64Array): Predictions {
  return { rows: scores.length, classes: [0, 1], kind: 'probability', scores, labels: null, threshold: 0.5 };
}
