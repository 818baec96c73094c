import { quoteLiteral } from '../../../data/relation.ts';
import { translatePattern } from './patterns.ts';
import { exactly, unknown, type Verdict } from './verdicts.ts';

/** Whether a text has a match of a regular expression. */
export function matches(text: string, expression: RegExp): Verdict {
  const translated = translatePattern(expression);
  if (translated === null || translated.pattern.length > longestPattern) return unknown;
  const verdict = exactly(`regexp_matches(${text}, ${quoteLiteral(translated.pattern)})`);
  if (!translated.asciiOnly) return verdict;
  const ascii = `coalesce(strlen(${text}) = length(${text}), false)`;
  return { yes: () => whereBoth(ascii, verdict.yes()), no: () => whereBoth(ascii, verdict.no()) };
}

const longestPattern = 4000;

function whereBoth(first: string, second: string): string {
  return `(${first} and ${second})`;
}
