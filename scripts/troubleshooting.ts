import { errorCatalogue } from './error-catalogue.ts';

const titles: readonly [code: string, title: string][] = [
  ['usage', 'Options, inputs and files that are named'],
  ['config', 'contender.yml'],
  ['data', 'Data and files of predictions'],
  ['model', 'Models'],
  ['mismatch', 'A model that does not fit its data'],
  ['system', 'The machine'],
  ['staging', 'A server under test, and Docker'],
  ['traffic', 'Traffic of a rollout'],
  ['registry', 'The registry and git'],
  ['github', 'GitHub'],
  ['evidence', 'Evidence'],
];

/** The errors there are, a table for each code. @param root absolute path of the project */
export function troubleshootingTables(root: string): string {
  const catalogue = errorCatalogue(root);
  const known = new Set(titles.map(([code]) => code));
  const strange = catalogue.find(({ code }) => !known.has(code));
  if (strange !== undefined) throw new Error(`errors of ${strange.code} have no place in docs/troubleshooting.md`);
  const parts = titles.map(([code, title]) => {
    const rows = catalogue.filter((error) => error.code === code);
    const lines = rows.map(
      ({ found, expected, remedy }) => `| ${[found === '' ? '…' : found, expected, remedy].map(cell).join(' | ')} |`,
    );
    return `## ${title}\n\nCode \`${code}\`.\n\n| it says | expected | what to do |\n|---|---|---|\n${lines.join('\n')}`;
  });
  return `\n${parts.join('\n\n')}\n`;
}

/** As a cell of a table, with its words as they are: whoever searches the page, searches for them. */
function cell(text: string): string {
  const line = text.replace(/\s+/gu, ' ').trim();
  return line.replace(/[\\|*<]/gu, String.raw`\$&`).replaceAll('{{', '&#123;&#123;');
}
