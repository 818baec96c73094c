import { readdirSync } from 'node:fs';
import { join, sep } from 'node:path';
import type { Expression, Node, ObjectLiteralExpression, SourceFile } from 'typescript/unstable/ast';
import {
  isArrayLiteralExpression,
  isAsExpression,
  isBinaryExpression,
  isConditionalExpression,
  isIdentifier,
  isNewExpression,
  isNoSubstitutionTemplateLiteral,
  isNumericLiteral,
  isObjectLiteralExpression,
  isParenthesizedExpression,
  isPropertyAssignment,
  isStringLiteral,
  isTemplateExpression,
} from 'typescript/unstable/ast/is';
import { API } from 'typescript/unstable/sync';
import * as errors from '../src/errors.ts';

/** An error as the sources say it. What is only known when it happens is `…`. */
export interface CataloguedError {
  code: string;
  found: string;
  expected: string;
  remedy: string;
}

/** How many texts one part of an error may have: more say less than none. */
const mostForms = 6;

/**
 * Every error that tells a person what to do, out of the syntax of the sources: each object with `found` that is given to one of the
 * errors of src/errors.ts, or that has a remedy. Nothing is listed by hand, so that nothing can be forgotten.
 * @param root absolute path of the project
 */
export function errorCatalogue(root: string): CataloguedError[] {
  const api = new API({ cwd: root });
  try {
    const config = join(root, 'tsconfig.json');
    const project = api.updateSnapshot({ openProjects: [config] }).getProject(config);
    if (project === undefined) throw new Error('the project cannot be opened');
    const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => name.split(sep).join('/'))
      .sort();
    const seen = new Map<string, CataloguedError>();
    for (const name of files) {
      const file = project.program.getSourceFile(join(root, 'src', name));
      if (file === undefined) throw new Error(`${name} is not of the project`);
      for (const error of errorsOf(file, name.split('/')[0] ?? '')) seen.set(JSON.stringify(error), error);
    }
    return [...seen.values()];
  } finally {
    api.close();
  }
}

function errorsOf(file: SourceFile, folder: string): CataloguedError[] {
  const found: CataloguedError[] = [];
  const walk = (node: Node, code: string | null): void => {
    const inside = codeOf(node) ?? code;
    if (isObjectLiteralExpression(node)) {
      const error = errorIn(node, code ?? codesOfFolders[folder] ?? 'usage', code !== null);
      if (error !== null) found.push(error);
    }
    // What stands within an error is of it, and what stands within a function there is not any more.
    node.forEachChild((child) => walk(child, isObjectLiteralExpression(node) ? null : inside));
  };
  walk(file, null);
  return found;
}

/** Faults that are handed on before they become an error, by where they are made. */
const codesOfFolders: Readonly<Record<string, string>> = {
  config: 'config',
  data: 'data',
  model: 'model',
  registry: 'registry',
  github: 'github',
  staging: 'staging',
};

/** The code of an error that is made here. */
function codeOf(node: Node): string | null {
  if (!isNewExpression(node) || !isIdentifier(node.expression)) return null;
  return codes.get(node.expression.text) ?? null;
}

const codes = new Map(
  Object.entries(errors).flatMap(([name, value]): [string, string][] => {
    if (typeof value !== 'function' || !name.endsWith('Error') || name === 'ContenderError') return [];
    return [[name, name === 'GitHubError' ? 'github' : name.replace(/Error$/u, '').toLowerCase()]];
  }),
);

function errorIn(node: ObjectLiteralExpression, code: string, isGiven: boolean): CataloguedError | null {
  const parts = new Map<string, Expression>();
  for (const property of node.properties) {
    if (isPropertyAssignment(property) && isIdentifier(property.name))
      parts.set(property.name.text, property.initializer);
  }
  const text = (name: string): string => {
    const part = parts.get(name);
    if (part === undefined) return '';
    const forms = [...new Set(formsOf(part))].filter((form) => /\p{L}/u.test(form));
    return forms.length > mostForms ? '' : forms.join(' / ');
  };
  if (!parts.has('found') || !(isGiven || parts.has('remedy'))) return null;
  const [found, expected, remedy] = [text('found'), text('expected'), text('remedy')];
  return found === '' && remedy === '' ? null : { code, found, expected, remedy };
}

/** What a text may be: its words, and `…` for what is known only when it happens. */
function formsOf(node: Expression): string[] {
  if (isStringLiteral(node) || isNoSubstitutionTemplateLiteral(node) || isNumericLiteral(node)) return [node.text];
  if (isParenthesizedExpression(node) || isAsExpression(node)) return formsOf(node.expression);
  if (isArrayLiteralExpression(node)) return node.elements.flatMap(formsOf);
  if (isConditionalExpression(node)) return [...formsOf(node.whenTrue), ...formsOf(node.whenFalse)];
  if (isBinaryExpression(node)) {
    const sides = [formsOf(node.left), formsOf(node.right)] as const;
    const isSum = sides[0].some((form) => form !== '…') && sides[1].some((form) => form !== '…');
    return isSum ? sides[0].flatMap((left) => sides[1].map((right) => `${left}${right}`)) : sides.flat();
  }
  if (!isTemplateExpression(node)) return ['…'];
  return node.templateSpans.reduce<string[]>(
    (forms, { expression, literal }) => {
      const own = formsOf(expression);
      // One placeholder for all where every form would make another row.
      const kept = forms.length * own.length > mostForms ? ['…'] : own;
      return forms.flatMap((form) => kept.map((each) => `${form}${each}${literal.text}`));
    },
    [node.head.text],
  );
}
