import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { openDataset, type Dataset } from '../../../src/data/dataset.ts';
import { UsageError } from '../../../src/errors.ts';
import { dialectOf } from '../../../src/pipeline/init/dialect.ts';
import {
  idColumn,
  labelColumn,
  labelValues,
  noModel,
  positiveClass,
  sliceColumns,
  taskOf,
} from '../../../src/pipeline/init/look.ts';
import { predictionsOf } from '../../../src/pipeline/init/predictions.ts';
import { inTemporaryFolder } from '../../support/project.ts';

async function withRows<T>(csv: string, use: (dataset: Dataset) => Promise<T>): Promise<T> {
  return inTemporaryFolder(async (folder) => {
    const path = join(folder, 'rows.csv');
    await writeFile(path, csv);
    const dataset = await openDataset({ name: 'evaluation', uri: 'rows.csv', path });
    try {
      return await use(dataset);
    } finally {
      dataset.close();
    }
  });
}

const alone = { id: 'id', model: noModel, asking: null };

describe('the label that init proposes', () => {
  test('is never a column that is an input of the model, whatever its name', () =>
    withRows('id,label,y,sold\n1,2,3,0\n2,5,6,1\n', async (dataset) => {
      const model = { ...noModel, inputs: ['label', 'y'] };
      const { value, because } = await labelColumn(dataset, undefined, { ...alone, model });
      assert.equal(value, 'sold');
      assert.match(because, /neither id nor input of the model/u);
      await assert.rejects(labelColumn(dataset, 'y', { ...alone, model }), /"y" is an input of the model/u);
    }));

  test('is what the model names as its target, before the last column', () =>
    withRows('id,visits,age\n1,2,30\n2,5,60\n', async (dataset) => {
      const model = { ...noModel, inputs: ['age'], targets: ['visits'] };
      assert.equal((await labelColumn(dataset, undefined, { ...alone, model })).value, 'visits');
    }));

  test('is the only column whose values are the classes of the model, before the last column', () =>
    withRows('id,priority,flag,team\n1,low,0,a\n2,high,1,b\n3,low,1,a\n', async (dataset) => {
      const model = { ...noModel, names: ['high', 'low', 'urgent'] };
      const found = await labelColumn(dataset, undefined, { ...alone, model });
      assert.deepEqual(found, { value: 'priority', because: 'its values are the classes of the model' });
      const unsure = { ...noModel, names: ['0', '1', 'a', 'b'] };
      assert.equal((await labelColumn(dataset, undefined, { ...alone, model: unsure })).value, 'team');
    }));

  test('is asked for where two columns have a usual name, and an error that names the option where nobody is there', () =>
    withRows('id,y,target\n1,2,0\n2,5,1\n', async (dataset) => {
      await assert.rejects(
        labelColumn(dataset, undefined, alone),
        (error) => error instanceof UsageError && /could be the label: y, target\..*--label/u.test(error.message),
      );
      const asked: (readonly string[])[] = [];
      const asking = {
        choose: (_what: string, options: readonly string[]): Promise<string> => {
          asked.push(options);
          return Promise.resolve('target');
        },
      };
      assert.equal((await labelColumn(dataset, undefined, { ...alone, asking })).value, 'target');
      assert.deepEqual(asked, [['y', 'target']]);
      assert.equal((await labelColumn(dataset, 'y', alone)).value, 'y');
    }));

  test('is not guessed where the last column has another text in every row', () =>
    withRows('id,comment\n1,good\n2,bad\n', (dataset) =>
      assert.rejects(labelColumn(dataset, undefined, alone), /no column of rows\.csv looks like the label/u),
    ));
});

describe('the id that init proposes', () => {
  test('has a different value in every row: a name that says id is not enough', () =>
    withRows('customer_id,row,label\n7,1,0\n7,2,1\n', async (dataset) => {
      assert.equal((await idColumn(dataset, undefined, noModel, false)).value, 'row');
    }));

  test('is the number of the row where no column tells rows apart', () =>
    withRows('colour,label\nred,0\nred,1\nblue,1\n', async (dataset) => {
      assert.equal((await idColumn(dataset, undefined, noModel, false)).value, '(row)');
    }));

  test('is an error that names the option where no column tells rows apart and predictions are joined by it', () =>
    withRows('colour,label\nred,0\nred,1\nblue,1\n', (dataset) =>
      assert.rejects(
        idColumn(dataset, undefined, noModel, true),
        /a different value in every row: colour, label.*--id/u,
      ),
    ));
});

describe('the task that init proposes', () => {
  const integers = Array.from({ length: 12 }, (_, index) => index);
  const cases: [string, Parameters<typeof taskOf>[0], boolean | null, string][] = [
    ['two words', ['no', 'yes'], null, 'binary-classification'],
    ['words', ['a', 'b', 'c'], null, 'multiclass-classification'],
    ['fractions', [0.5, 1.5, 2], null, 'regression'],
    ['a dozen whole numbers and a model of one number', integers, true, 'regression'],
    ['a dozen whole numbers and a model of classes', integers, false, 'multiclass-classification'],
  ];
  for (const [name, values, single, task] of cases) {
    test(`is ${task} for ${name}`, () => assert.equal(taskOf(values, { ...noModel, single }).value, task));
  }
});

test('rows that lack classes which the model tells apart make no task of two classes', () => {
  assert.equal(taskOf([3, 8], { ...noModel, classes: 10 }).value, 'multiclass-classification');
});

test('a CSV file of semicolons and decimal commas is proposed as one; commas in quotes separate nothing', () =>
  inTemporaryFolder(async (folder) => {
    const path = join(folder, 'rows.csv');
    await writeFile(path, 'id;"a, b";label\n1;0,5;0\n2;1,25;1\n');
    assert.deepEqual(await dialectOf(path), { delimiter: ';', decimal: ',' });
    await writeFile(path, 'id\tlabel\n1\t0.5\n');
    assert.deepEqual(await dialectOf(path), { delimiter: '\t' });
    await writeFile(path, 'id,"a;b"\n1,2\n');
    assert.equal(await dialectOf(path), null);
  }));

test('slices are columns of few values that are not another word for the label; kinds of one class are no such word', () => {
  const kinds = ['easy ham', 'spam', 'hard ham', 'spam'];
  const rows = Array.from({ length: 160 }, (_, index) => {
    const label = index % 2;
    return `${index},${label === 0 ? 'ham' : 'spam'},${index % 3 === 0 ? 'web' : 'mail'},${kinds[index % 4]},text ${index},${label}`;
  });
  return withRows(`id,word,way,source,text,label\n${rows.join('\n')}\n`, async (dataset) => {
    const of = { label: 'label', classes: 2 };
    assert.deepEqual(await sliceColumns(dataset, ['id', 'label'], of), ['way', 'source']);
  });
});

describe('the columns of a file of predictions', () => {
  const known = { uri: 'p.csv', id: 'id', label: 'label', task: 'binary-classification', classes: 2 } as const;
  const cases: [string, string, object][] = [
    ['the usual name needs no word', 'id,score\na,0.5\n', {}],
    ['a probability', 'id,split,probability\na,1,0.5\n', { score: 'probability' }],
    ['both models in one file', 'id,label,champion,candidate\na,1,0.5,0.25\n', { score: 'candidate' }],
    ['an id of another name', 'row_id,score\na,0.5\n', { id: 'row_id' }],
    ['decisions are read by their usual name', 'id,prediction\na,1\nb,0\n', {}],
    ['scores named as decisions are', 'id,prediction\na,0.25\nb,0.5\n', { score: 'prediction' }],
  ];
  for (const [name, csv, expected] of cases) {
    test(name, () =>
      withRows(csv, async (file) => {
        assert.deepEqual(await predictionsOf(file, 'candidate', known), { predictions: 'p.csv', ...expected });
      }),
    );
  }
});

describe('the positive class that init proposes', () => {
  const rows = (...labels: string[]): string => `label\n${labels.join('\n')}\n`;
  const found = (csv: string, given: Partial<Parameters<typeof positiveClass>[3]> = {}) =>
    withRows(csv, async (dataset) =>
      positiveClass(dataset, 'label', await labelValues(dataset, 'label'), { ...alone, ...given }),
    );

  for (const [first, second, positive] of [
    ['fraud', 'legit', 'fraud'],
    ['Fraud', 'other', 'Fraud'],
    ['not_approved', 'approved', 'approved'],
    ['NORMAL', 'unusual', 'unusual'],
    ['negative', 'positive', 'positive'],
    ['no', 'yes', 'yes'],
    ['false', 'true', true],
  ] as const) {
    test(`is ${positive} of ${first} and ${second}`, async () => {
      assert.deepEqual(await found(rows(first, second, first)), { value: positive, because: 'by its name' });
    });
  }

  test('is the much rarer of two, and else the last', async () => {
    const rare = await found(rows('a', 'b', 'b', 'b'));
    assert.deepEqual(rare, { value: 'a', because: 'the rarer of the two values: 1 of 4 rows' });
    const last = { value: 'b', because: 'the last of the two values' };
    assert.deepEqual(await found(rows('a', 'b', 'a', 'b')), last);
    assert.deepEqual(await found(rows('a', 'b', 'b', 'b'), { model: { ...noModel, single: true } }), last);
    assert.equal(await found(rows('0', '1', '1')), undefined);
  });

  test('is what a person says, where no word does', async () => {
    const asking = { choose: () => Promise.resolve('b') };
    assert.deepEqual(await found(rows('a', 'b', 'b', 'b'), { asking }), { value: 'b', because: 'as you said' });
    assert.equal((await found(rows('fraud', 'legit'), { asking }))?.value, 'fraud');
  });
});
