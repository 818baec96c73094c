import type { Promotion } from '../../src/evidence/index.ts';
import * as report from '../../src/report/index.ts';
import { drawing } from '../../src/report/draw.ts';
import * as promotion from '../../src/report/promotion.ts';
import { stages } from '../../src/stages/index.ts';

/* The report as the program makes it: with the sections of every stage. */

const draw = await drawing();

type Result = report.Result & { server?: string | null | undefined };

export function renderMarkdown(result: Result, options?: report.MarkdownOptions): string {
  return report.renderMarkdown({ ...result, stages }, options);
}

export function renderHtml(result: Result): string {
  return report.renderHtml({ ...result, stages }, draw);
}

export function renderConsole(result: Result, options: report.ConsoleOptions): string {
  return report.renderConsole({ ...result, stages }, options);
}

export function checkRun(result: Result, configFile: string): ReturnType<typeof report.checkRun> {
  return report.checkRun({ ...result, stages }, configFile);
}

export function renderComment(result: Result, place: report.CommentPlace, limit: number): string {
  return report.renderComment({ ...result, stages }, place, limit);
}

export function renderModelCard(published: report.Published): string {
  return report.renderModelCard(published, stages);
}

export function describePromotion(of: Promotion, limit: number): { title: string; body: string } {
  return promotion.describePromotion(of, limit, stages);
}
