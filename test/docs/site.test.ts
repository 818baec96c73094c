import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { chromium, type Browser, type Page } from 'playwright-core';
import { projectRoot } from '../support/project.ts';

const run = promisify(execFile);
const browsers = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const installed = browsers.find((path) => existsSync(path));
const types: Readonly<Record<string, string>> = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css' };

/* The site as .github/workflows/site.yml builds it, in a copy of docs/. */
describe('the site of the documentation', () => {
  let folder = '';
  let server: Server;
  let base = '';
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'contender-site-'));
    const left = /\/(?:node_modules|dist|cache)$/u;
    await cp(join(projectRoot, 'docs'), folder, { recursive: true, filter: (path) => !left.test(path) });
    await run('npm', ['ci', '--no-audit', '--no-fund', '--prefer-offline'], { cwd: folder });
    await run('npm', ['run', 'build'], { cwd: folder });
    server = createServer((request, response) => {
      const path = new URL(request.url ?? '/', 'http://site').pathname.replace(/^\/contender\//u, '');
      const file = path === '' ? 'index.html' : extname(path) === '' ? `${path}.html` : path;
      readFile(join(folder, '.vitepress/dist', file)).then(
        (bytes) => response.setHeader('content-type', types[extname(file)] ?? 'application/octet-stream').end(bytes),
        () => response.writeHead(404).end(),
      );
    }).listen(0, '127.0.0.1');
    await new Promise((listening) => server.once('listening', listening));
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/contender/`;
  });
  after(async () => {
    server.close();
    await rm(folder, { recursive: true, force: true });
  });

  test('has every page, under its title, with links into the repository where they leave docs/', async () => {
    const names = readdirSync(join(projectRoot, 'docs')).filter((name) => name.endsWith('.md') && name !== 'README.md');
    for (const name of names) {
      const html = await readFile(join(folder, '.vitepress/dist', name.replace('.md', '.html')), 'utf8');
      assert.doesNotMatch(html, /href="(?:\/contender)?\/?\.\.\//u, name);
    }
    const index = await readFile(join(folder, '.vitepress/dist/index.html'), 'utf8');
    assert.match(index, /href="https:\/\/github\.com\/contender\/contender\/blob\/main\/workflows\/?"/u);
    assert.match(index, />Statistics in plain words</u);
    assert.doesNotMatch(index, />statistics-in-words\.md</u);
  });

  test(
    'finds a word, asks no other host, and has nothing to complain of',
    { skip: installed === undefined ? 'no Chromium' : false },
    async () => {
      const browser: Browser = await chromium.launch({ executablePath: installed ?? '', args: ['--no-sandbox'] });
      try {
        const page: Page = await browser.newPage();
        const heard: string[] = [];
        page.on('console', (message) => heard.push(message.text()));
        page.on('request', (request) => {
          if (!request.url().startsWith(base) && !request.url().startsWith('data:')) heard.push(request.url());
        });
        await page.goto(base);
        await page.click('.DocSearch-Button');
        await page.fill('.search-input', 'non-inferior margin');
        await page.waitForSelector('.result');
        await page.click('.result >> nth=0');
        await page.waitForFunction('document.querySelector("h1")?.textContent.includes("Documentation") === false');
        assert.match((await page.textContent('main')) ?? '', /non-inferior/u);
        assert.deepEqual(heard, []);
      } finally {
        await browser.close();
      }
    },
  );
});
