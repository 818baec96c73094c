import { markdownText } from './escape.ts';
import { renderMarkdown } from './markdown.ts';
import type { ReportInput } from './standing.ts';

export interface CommentPlace {
  /** The commit that was judged. */
  commit: string;
  runUrl: string;
  /** The run belongs to people who may not write to this repository: what it says is only their word. */
  untrusted?: boolean;
}

/** The report as a comment of a pull request, in at most `limit` UTF-8 bytes, with the commit and the run it is of. */
export function renderComment(input: ReportInput, place: CommentPlace, limit: number): string {
  return withFooter((room) => renderMarkdown(input, { limit: room }), place, limit);
}

/** The same for a run that ended before it could decide. */
export function renderFaultComment(model: string, message: string, place: CommentPlace, limit: number): string {
  const text = `## ❌ ${markdownText(model)}: error\n\n${markdownText(message, 4000)}\n`;
  return withFooter(() => text, place, limit);
}

function withFooter(
  body: (limit: number) => string,
  { commit, runUrl, untrusted }: CommentPlace,
  limit: number,
): string {
  const warning =
    untrusted === true
      ? '_The run that says so is under the control of the author of this pull request. Nothing is recorded from it: the candidate is judged again when it is merged._\n\n'
      : '';
  const footer = `\n${warning}<sub>Commit <code>${markdownText(commit)}</code> · <a href="${encodeURI(runUrl)}">workflow run</a></sub>\n`;
  return body(limit - Buffer.byteLength(footer)) + footer;
}
