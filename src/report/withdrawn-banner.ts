import { markdownText } from './escape.ts';
import { withdrawnText, type Published } from './published.ts';

/** What nobody who reads of a version may miss: a paragraph of Markdown, or none. */
export function withdrawnBanner({ withdrawn }: Published): string[] {
  return withdrawn === undefined ? [] : [`> **Do not use this version: ${markdownText(withdrawnText(withdrawn))}**`];
}
