import { contents, decisive, type Contents } from './contents.ts';
import { tableLines, wrap, type Paint } from './console-table.ts';
import { oneLine, withoutWorkflowCommands } from './escape.ts';
import { isEmpty, withoutCharts, type Section } from './section.ts';
import { stageSections } from './stage-sections.ts';
import type { ReportInput, Standing } from './standing.ts';
import { withWaivers } from './waived.ts';

export interface ConsoleOptions {
  colour: boolean;
  /** Columns of the terminal. */
  width: number;
}

const rowsShown = 8;

/** Tables whole, under their titles. Sections without rows are left out. */
export function renderSections(sections: readonly Section[], { colour, width }: ConsoleOptions): string {
  const texts = withoutCharts(sections)
    .filter((section) => !isEmpty(section))
    .map((section) =>
      [section.title, ...tableLines(section, Math.max(40, width), painter(colour), Infinity)].join('\n'),
    );
  return withoutWorkflowCommands(texts.map((text) => `${text}\n`).join('\n'));
}

/** The report as a screenful of text: verdict, what did not pass, then the key numbers. */
export function renderConsole(given: ReportInput, options: ConsoleOptions): string {
  const input = withWaivers(given);
  return consolePage(contents(input), screenful(input), options);
}

/** The same of contents that are arranged already, with the sections that are worth a place on the screen. */
export function consolePage(
  said: Contents,
  sections: readonly Section[],
  { colour, width }: ConsoleOptions,
  most = rowsShown,
): string {
  const wide = Math.max(40, width);
  const paint = painter(colour);
  const lines = [
    paint(oneLine(`${said.standing.word.toUpperCase()}  ${said.title}`, wide), said.standing.mood),
    ...wrap(said.headline, wide),
    ...(said.nextStep === '' ? [] : wrap(`What to do: ${said.nextStep}`, wide)),
    ...said.reasons.slice(0, rowsShown).flatMap((reason) => wrap(`Also: ${reason}`, wide)),
    ...(said.reasons.length > rowsShown ? [`and ${said.reasons.length - rowsShown} more reasons`] : []),
  ];
  for (const section of sections) {
    lines.push('', section.title);
    lines.push(...tableLines(section, wide, paint, most));
  }
  return withoutWorkflowCommands(`${lines.join('\n')}\n`);
}

function painter(colour: boolean): Paint {
  return (text, mood) => (colour ? `\u001b[${codes[mood]}m${text}\u001b[0m` : text);
}

const codes: Record<Standing['mood'], string> = { good: '1;32', bad: '1;31', open: '1;33', none: '1' };

/** The sections worth a place on the screen. */
function screenful(input: ReportInput): Section[] {
  const ofStages = stageSections(input.evidence, input.stages).filter(({ brief }) => brief === true);
  return withoutCharts([...decisive(input), ...ofStages].filter((section) => !isEmpty(section)));
}
