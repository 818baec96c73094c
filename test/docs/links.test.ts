import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { projectRoot } from '../support/project.ts';

const top = readdirSync(projectRoot).filter((name) => name.endsWith('.md'));
const pages = readdirSync(join(projectRoot, 'docs')).filter((name) => name.endsWith('.md'));

test('every page that a page links to is there', () => {
  const missing = [...top, ...pages.map((name) => `docs/${name}`)].flatMap((page) =>
    [...textOf(page).matchAll(/\]\((?!https?:|#)([^)#\s]+)/gu)]
      .map((match) => match[1] ?? '')
      .filter((link) => !existsSync(join(projectRoot, dirname(page), link)))
      .map((link) => `${page} links to ${link}`),
  );
  assert.deepEqual(missing, []);
});

test('every heading that a page links to is there', () => {
  const missing = [...top, ...pages.map((name) => `docs/${name}`)].flatMap((page) =>
    [...textOf(page).matchAll(/\]\((?!https?:)([^)#\s]*)#([^)\s]+)\)/gu)]
      .filter(([, file = '', heading = '']) => {
        const target = file === '' ? page : join(dirname(page), file);
        return target.endsWith('.md') && !headingsOf(target).has(heading);
      })
      .map(([link]) => `${page} links to ${link.slice(2, -1)}`),
  );
  assert.deepEqual(missing, []);
});

test('the index of the documentation names every page', () => {
  const index = textOf('docs/README.md');
  assert.deepEqual(
    pages.filter((page) => page !== 'README.md' && !index.includes(`(${page})`)),
    [],
  );
});

test('every file that the pages for contributors name is there', () => {
  const missing = ['ARCHITECTURE.md', 'CONTRIBUTING.md'].flatMap((page) =>
    [...textOf(page).matchAll(/`((?:src|test|scripts|docs)\/[\w./-]*)`/gu)]
      .map((match) => match[1] ?? '')
      .filter((path) => !existsSync(join(projectRoot, path)))
      .map((path) => `${page} names ${path}`),
  );
  assert.deepEqual(missing, []);
});

/** Headings as GitHub links to them: lower case, without punctuation, blanks as hyphens. */
function headingsOf(page: string): Set<string> {
  const headings = [
    ...textOf(page)
      .replaceAll(/```.*?```/gsu, '')
      .matchAll(/^#+ (.*)$/gmu),
  ];
  return new Set(
    headings.map(([, text = '']) =>
      text
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}

function textOf(page: string): string {
  return readFileSync(join(projectRoot, page), 'utf8');
}
