import { relative } from 'node:path';
import { stages } from '../src/stages/index.ts';

/** A Markdown table of the stages there are, in the order of a run, with links from a page in `docs`. */
export function stagesTable(): string {
  const rows = stages.map(({ kind, command, action, page }) =>
    [
      command.summary,
      `\`contender ${command.name}\``,
      `[\`actions/${action}\`](../actions/${action}/README.md)`,
      `\`evidence/${kind}.json\``,
      `[${page.replace(/^docs\//u, '')}](${relative('docs', page)})`,
    ].join(' | '),
  );
  return [
    '| what it does | command | action | evidence | page |',
    '|---|---|---|---|---|',
    ...rows.map((row) => `| ${row} |`),
  ].join('\n');
}
