/*
 * Everything a report shows may come from a stranger: a model's name, a column, a value in a row, an error text.
 * Each output has its own way of making such text inert; nothing else in this folder writes user text.
 */

// Control and format characters (bidirectional overrides, zero-width ones) and line separators: none of them shows, all of
// them can make a line read as something it is not.
const invisible = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu;
const loneSurrogate = /\p{Surrogate}/gu;
const zeroWidthSpace = '\u200b';

/** One line of visible text of at most `limit` characters. */
export function oneLine(text: string, limit = 1000): string {
  const line = text.replace(invisible, ' ').replace(loneSurrogate, '\ufffd').trim();
  if (line.length <= limit) return line;
  return `${line.slice(0, limit - 1).replace(loneSurrogate, '')}\u2026`;
}

/**
 * Text that GitHub-flavoured Markdown shows as it is: no markup, no HTML, no table cell of its own, no link. A zero-width
 * space keeps GitHub from taking it for a mention, a reference or an emoji, which it looks for after the Markdown is rendered.
 * The name of a commit, which it would link, is set as code: it does not look there, and who copies the name has it whole.
 */
export function markdownText(text: string, limit?: number): string {
  return inertMarkdown(
    oneLine(text, limit)
      .replace(mention, `$&${zeroWidthSpace}`)
      .replace(/(#|\bGH-)(?=\d)/giu, `$1${zeroWidthSpace}`)
      .replace(/:(?=(?:[\w+-]*[a-z+-][\w+-]*|100|1234):)/giu, `:${zeroWidthSpace}`),
  ).replace(/(?<![0-9a-z])[0-9a-f]{40}(?![0-9a-z])/giu, '<code>$&</code>');
}

/**
 * An identifier as code in a cell, a heading or a sentence of GitHub-flavoured Markdown. Who copies it has what was written:
 * GitHub looks for nothing in code, so nothing has to be put in between but, against addresses of mail, an empty comment.
 */
export function markdownCode(text: string): string {
  return `<code>${inertMarkdown(oneLine(text)).replace(/@(?=[\w-]*\.)/gu, '@<!-- -->')}</code>`;
}

/** What a person or an address of mail may follow: not the sign in NDCG@10. */
const mention = /(?<!\w)@|@(?=[\w-]*\.|[a-z])/giu;

function inertMarkdown(line: string): string {
  return (
    line
      .replace(/[&<>|$]/gu, (character) => `&#${character.codePointAt(0)};`)
      .replace(/[\\`*_{}[\]~]/gu, '\\$&')
      .replace(/:(?=\/\/)/gu, '&#58;')
      .replace(/\b(www)\./giu, '$1&#46;')
      // What would start a heading, a rule or a list.
      .replace(/^(?:#+|[+-])(?=[\s-]|$)/u, '\\$&')
      .replace(/^(\d+)([.)])(?=\s|$)/u, '$1\\$2')
  );
}

/** Text for HTML content and for quoted attribute values. */
export function htmlText(text: string): string {
  return oneLine(text).replace(/[&<>"'`]/gu, (character) => `&#${character.codePointAt(0)};`);
}

/** Text for XML 1.0 content and attribute values. */
export function xmlText(text: string): string {
  return htmlText(text.replace(/[\ufffe\uffff]/gu, '\ufffd'));
}

/** A value as JSON that a terminal shows as it is: what is invisible is written as an escape, which parses to the same value. */
export function jsonText(value: unknown): string {
  return JSON.stringify(value, null, 2).replace(/(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) =>
    Array.from({ length: character.length }, (_, index) => character.charCodeAt(index))
      .map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`)
      .join(''),
  );
}

/** Text that may be printed to a workflow log: no line of it is a workflow command to the runner. */
export function withoutWorkflowCommands(text: string): string {
  return text.replace(/^(\s*)::/gmu, `$1${zeroWidthSpace}::`).replace(/##\[/gu, `##${zeroWidthSpace}[`);
}
