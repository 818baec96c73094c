import type { Comparison } from '../evidence/index.ts';

/** A gain and its bounds in units of the margin: left of -1 is a loss of more than is allowed. */
export interface InMargins {
  lower: number;
  value: number;
  upper: number;
}

/** Null where there is no margin to measure by. */
export function inMargins({ delta, lower, upper, margin }: Comparison): InMargins | null {
  return margin > 0 ? { lower: lower / margin, value: delta / margin, upper: upper / margin } : null;
}

const perMargin = 3;
/** Places, of which the one at -1 margin and the one at 0 are marked: three margins of loss and one of gain are seen. */
const places = 13;
const zeroAt = 9;

/**
 * The interval as text: `◂━━●━━┊··│··▸` is a loss of about two margins, of which neither end is in sight. `┊` is the margin, `│` no
 * difference, `●` what was measured; an arrow says that the interval goes on.
 */
export function intervalText({ lower, value, upper }: InMargins): string {
  const at = (margins: number): number => zeroAt + Math.round(margins * perMargin);
  const [from, dot, to] = [at(lower), at(value), at(upper)];
  return Array.from({ length: places }, (_, place) => {
    if (place === 0 && from < 0) return '◂';
    if (place === places - 1 && to >= places) return '▸';
    if (place === dot) return '●';
    const marked = place === zeroAt || place === zeroAt - perMargin;
    if (place >= from && place <= to) return marked ? '┿' : '━';
    if (!marked) return '·';
    return place === zeroAt ? '│' : '┊';
  }).join('');
}

/** Margins that a drawing shows to the left and to the right of no difference. */
const [shownLoss, shownGain] = [4, 2];
const [width, height] = [150, 18];

/** The same as the inside of an SVG, to be styled by the page: what is beyond its ends is drawn at them, with an arrow. */
export function intervalDrawing({ lower, value, upper }: InMargins): {
  viewBox: string;
  label: string;
  shapes: string;
} {
  const at = (margins: number): number =>
    Math.round(((Math.min(shownGain, Math.max(-shownLoss, margins)) + shownLoss) / (shownLoss + shownGain)) * width);
  const middle = height / 2;
  const vertical = (x: number, kind: string): string => `<path class="${kind}" d="M${x},1V${height - 1}"/>`;
  const isSeen = (margins: number): boolean => margins >= -shownLoss && margins <= shownGain;
  const end = (margins: number): string =>
    isSeen(margins) ? `<path class="span" d="M${at(margins)},${middle - 4}v8"/>` : '';
  const arrow = (x: number, to: number): string =>
    `<path class="arrow" d="M${x + 5 * to},${middle}l${-7 * to},-5v10z"/>`;
  return {
    viewBox: `-6 0 ${width + 12} ${height}`,
    label: `${shown(value)} margins, from ${shown(lower)} to ${shown(upper)}`,
    shapes: [
      `<rect class="beyond" x="0" y="1" width="${at(-1)}" height="${height - 2}"/>`,
      vertical(at(-1), 'margin'),
      vertical(at(0), 'zero'),
      `<path class="span" d="M${at(lower)},${middle}H${at(upper)}"/>`,
      end(lower),
      end(upper),
      lower < -shownLoss ? arrow(0, -1) : '',
      upper > shownGain ? arrow(width, 1) : '',
      isSeen(value) ? `<circle class="dot" cx="${at(value)}" cy="${middle}" r="3.5"/>` : '',
    ].join(''),
  };
}

function shown(margins: number): string {
  return margins.toFixed(1);
}
