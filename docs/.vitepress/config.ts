import { readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitepress';

const repository = 'https://github.com/contender/contender';
const docs = join(dirname(fileURLToPath(import.meta.url)), '..');

const titleOf = (name: string): string =>
  /^# (.*)$/mu.exec(readFileSync(join(docs, `${name}.md`), 'utf8'))?.[1] ?? name;

/** The sidebar is the table of the index, in its order: no page can be forgotten. */
const pages = [...readFileSync(join(docs, 'README.md'), 'utf8').matchAll(/\]\(([\w-]+)\.md\)/gu)].map(
  ([, name = '']) => ({ text: titleOf(name), link: `/${name}` }),
);

export default defineConfig({
  title: 'Contender',
  description: 'Decides whether a candidate machine-learning model may replace the champion.',
  head: [['link', { rel: 'icon', href: 'data:,' }]],
  // Of a project's pages on GitHub; a domain of its own sets another.
  base: process.env['SITE_BASE'] ?? '/contender/',
  rewrites: { 'README.md': 'index.md' },
  cleanUrls: true,
  lastUpdated: true,
  markdown: {
    // Braces are of YAML here.
    attrs: { disable: true },
    config(markdown) {
      markdown.core.ruler.push('links', ({ tokens }) => {
        for (const children of tokens.map((token) => token.children ?? [])) {
          for (const [index, token] of children.entries()) {
            const href = token.type === 'link_open' ? token.attrGet('href') : null;
            // What lies beside docs/ is in the repository, and not on the site.
            if (href?.startsWith('../'))
              token.attrSet('href', `${repository}/blob/main/${posix.normalize(href.slice(3))}`);
            // The name of a file means nothing here: the title of its page does.
            const text = children[index + 1];
            const name = /^([\w-]+)\.md\b/u.exec(href ?? '')?.[1];
            if (name !== undefined && text?.content === `${name}.md`) text.content = titleOf(name);
          }
        }
      });
    },
  },
  themeConfig: {
    search: { provider: 'local' },
    sidebar: [{ text: 'Documentation', link: '/', items: pages }],
    outline: 'deep',
    editLink: { pattern: `${repository}/edit/main/docs/:path` },
    socialLinks: [{ icon: 'github', link: repository }],
  },
});
