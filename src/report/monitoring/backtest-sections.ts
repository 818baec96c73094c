import type { BacktestResult } from '../../monitor/backtest.ts';
import { numberCell, textCell, type Section } from '../section.ts';
import { counted, rounded } from '../../wording.ts';

/** What a backtest found, as tables. */
export function backtestSections(result: BacktestResult & { window: number; maxLoss: number }): Section[] {
  const { windows, ageing, tooOld, decisions, window, maxLoss } = result;
  const length = window / 86_400_000;
  const days = (count: number): string => `${count * length} day${count * length === 1 ? '' : 's'}`;
  const names = [...new Set(windows.flatMap(({ losses }) => Object.keys(losses)))];
  const number = (value: number): string => rounded(value, 3);
  const shared = { importance: 1 };
  return [
    {
      ...shared,
      title: 'Loss by window, after the training alone',
      columns: ['from', ...names],
      rows: windows.map(({ start, losses }) => [
        textCell(date(start)),
        ...names.map((name) => {
          const loss = losses[name];
          return numberCell(loss === undefined ? '' : `${number(loss.mean)} (${counted(loss.rows, 'rows')})`);
        }),
      ]),
    },
    {
      ...shared,
      title:
        tooOld === null
          ? `Ageing: for no recorded age is the loss shown to be more than ${maxLoss} higher`
          : `Ageing: after ${days(tooOld)} the loss is shown to be more than ${maxLoss} higher: retrain more often than that`,
      columns: ['age', 'models', 'more loss', 'at least'],
      rows: ageing.map(({ age, models, more, lower }) => [
        textCell(days(age)),
        numberCell(String(models)),
        numberCell(number(more)),
        numberCell(number(lower)),
      ]),
    },
    {
      ...shared,
      title: 'Outcome of each decision in hindsight',
      columns: ['model', 'against', 'decided', 'verdict', 'gain', 'bounds', 'rows', 'gain on all later rows'],
      rows: decisions.map(({ model, against, at, verdict, gain, lower, upper, rows, hindsight }) => [
        textCell(model),
        textCell(against),
        textCell(date(at)),
        textCell(verdict),
        numberCell(number(gain)),
        numberCell(`${number(lower)} to ${number(upper)}`),
        numberCell(String(rows)),
        numberCell(`${number(hindsight.gain)} (${counted(hindsight.rows, 'rows')})`),
      ]),
    },
  ];
}

function date(time: number): string {
  return new Date(time).toISOString().slice(0, 10);
}
