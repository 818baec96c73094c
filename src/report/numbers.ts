import type { Check, Shown } from '../evidence/index.ts';
import { significant, unitOf } from '../wording.ts';

/** Metrics that people call otherwise than by the words of their names: the one list, which the catalogue takes its titles from. */
const names = new Map([
  ['roc_auc', 'ROC AUC'],
  ['f1', 'F1'],
  ['f2', 'F2'],
  ['f0.5', 'F0.5'],
  ['mcc', 'Matthews correlation'],
  ['kappa', "Cohen's kappa"],
  ['brier', 'Brier score'],
  ['ece', 'expected calibration error'],
  ['ece_quantile', 'expected calibration error (equal-mass bins)'],
  ['ece_confidence', 'top-label calibration error'],
  ['ece_confidence_quantile', 'top-label calibration error (equal-mass bins)'],
  ['mce', 'maximum calibration error'],
  ['roc_auc_ovr', 'ROC AUC (one against the rest)'],
  ['roc_auc_ovr_weighted', 'ROC AUC (one against the rest, weighted)'],
  ['roc_auc_ovo', 'ROC AUC (one against one)'],
  ['roc_auc_ovo_weighted', 'ROC AUC (one against one, weighted)'],
  ['jaccard', 'Jaccard'],
  ['hamming_loss', 'Hamming loss'],
  ['ranking_loss', 'label ranking loss'],
  ['rmse', 'RMSE'],
  ['mae', 'MAE'],
  ['mse', 'MSE'],
  ['medae', 'median absolute error'],
  ['mape', 'MAPE'],
  ['smape', 'sMAPE'],
  ['poisson_deviance', 'mean Poisson deviance'],
  ['r2', 'R2'],
  ['ndcg', 'NDCG'],
  ['ndcg_exponential', 'NDCG with gain 2^relevance - 1'],
  ['map', 'MAP'],
  ['mrr', 'MRR'],
]);

/** A metric as people call it: `ROC AUC`, `log loss`, `macro F1`, `NDCG@10`. */
export function metricName(metric: string): string {
  const known = names.get(metric);
  if (known !== undefined) return known;
  const {
    base = '',
    average,
    cutoff,
    label,
  } = /^(?<base>.+?)(?:_(?<average>macro|micro|weighted|samples)|@(?<cutoff>[0-9]+)|\[(?<label>.+)\])$/su.exec(metric)
    ?.groups ?? {};
  if (average !== undefined)
    return average === 'samples' ? `${metricName(base)} by row` : `${average} ${metricName(base)}`;
  if (cutoff !== undefined) return `${metricName(base)}@${cutoff}`;
  if (label !== undefined) return `${metricName(base)} of ${label}`;
  return metric
    .replace(/^top_(?=[0-9]+_)/u, 'top-')
    .replace(/^pinball_/u, 'pinball loss at ')
    .replaceAll('_', ' ');
}

/** A metric's value to four decimals, or to four digits where that would show nothing. */
export function metricValue(value: number): string {
  const magnitude = Math.abs(value);
  if (magnitude !== 0 && (magnitude < 0.001 || magnitude >= 10_000)) return String(Number(value.toPrecision(4)));
  return value.toFixed(4);
}

/** A number of bytes in binary units: `21 B`, `1.2 MiB`. */
export function bytes(value: number): string {
  const power = value < 1024 ? 0 : Math.min(4, Math.floor(Math.log2(value) / 10));
  return `${significant(value / 1024 ** power, 3)} ${['B', 'KiB', 'MiB', 'GiB', 'TiB'][power] ?? 'B'}`;
}

/** What a check observed, with its unit, in as many digits as it takes to tell it from what was required: `2.97 ms`, `99.8%`. */
export function observedText(check: Check): string {
  const { observed, required, unit } = check;
  if (observed === 0 && isNone(check)) return 'none';
  const texts = [3, 4, 5, 6, 8, 10, 12].map((digits) => shown(observed, unit, digits));
  return texts.find((text) => observed === required || text !== shown(required, unit)) ?? String(observed);
}

/** What a check required: `at most 100 ms`, or `none`. */
export function requiredText(check: Check): string {
  const { required, unit, limit } = check;
  if (isNone(check)) return 'none';
  const text = shown(required, unit);
  return limit === undefined || typeof required !== 'number' ? text : `${limit} ${text}`;
}

function isNone({ required, limit }: Check): boolean {
  return required === 0 && limit === 'at most';
}

/** A number with its unit, to four digits: `3.254 ms`, `99.8%`. */
export function quantity(value: number, unit: string | null): string {
  return shown(value, unit ?? undefined, 4);
}

function shown(value: Shown, unit: string | undefined, digits = 6): string {
  if (typeof value !== 'number') return value === null ? '' : String(value);
  // Values without a unit are metrics, which people read to four decimals or so.
  if (unit === undefined) return significant(value, Math.max(4, digits));
  return unit === 'share'
    ? `${significant(100 * value, digits)}%`
    : `${significant(value, digits)} ${unitOf(value, unit)}`;
}
