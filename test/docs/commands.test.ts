import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { contender } from '../support/gate-repository.ts';
import { inTemporaryFolder, projectRoot } from '../support/project.ts';

const pages = ['README.md', ...readdirSync(join(projectRoot, 'docs')).map((name) => `docs/${name}`)].filter((page) =>
  page.endsWith('.md'),
);

/** Every command line of the pages, in a block or between backticks: its page, and its words. */
const typed = pages.flatMap((page) => {
  const text = readFileSync(join(projectRoot, page), 'utf8');
  const blocks = [...text.matchAll(/```(?:sh|console)\n(.*?)```/gsu)].flatMap(([, block = '']) => block.split('\n'));
  const spans = [...text.replaceAll(/```.*?```/gsu, '').matchAll(/`([^`]+)`/gu)].map(([, span = '']) => span);
  return [...blocks, ...spans]
    .flatMap((line) => line.replace(/\s#.*$/u, '').split(/; | \| | > | && /u))
    .map((line) => /^(?:\$ )?(?:npx )?contender ([a-z-].*)$/u.exec(line.trim())?.[1])
    .filter((line) => line !== undefined)
    .map((line) => ({ page, words: line.split(/\s+/u) }));
});

test('every command and every option that a page shows is there', () =>
  inTemporaryFolder(async (folder) => {
    const help = new Map<string, string>();
    const helpOf = async (path: readonly string[]): Promise<string> => {
      const key = path.join(' ');
      if (!help.has(key)) help.set(key, (await contender(folder, [...path, '--help'])).stdout);
      return help.get(key) ?? '';
    };
    const wrong: string[] = [];
    assert.ok(typed.length > 60, `${typed.length} command lines`);
    for (const { page, words } of typed) {
      const path: string[] = [];
      for (const word of words) {
        if (
          !new RegExp(`^  ${word.replaceAll(/[^\w-]/gu, '')} .*`, 'mu').test(sectionOf(await helpOf(path), 'Commands'))
        )
          break;
        path.push(word);
      }
      const shown = await helpOf(path);
      const unknown = words
        .map((word) => /^--[a-z-]+/u.exec(word)?.[0])
        .filter((option) => option !== undefined && !sectionOf(shown, 'Options').includes(option));
      if (path.length === 0 && !words[0]?.startsWith('-'))
        wrong.push(`${page}: contender ${words.join(' ')}: no such command`);
      for (const option of unknown) wrong.push(`${page}: contender ${path.join(' ')} has no ${option}`);
    }
    assert.deepEqual(wrong, []);
  }));

function sectionOf(help: string, title: string): string {
  return new RegExp(`^${title}:\n((?:[ ].*\n|\n(?! *[A-Z][a-z]+:))*)`, 'mu').exec(help)?.[1] ?? '';
}
