import { data, Evaluator, Lexer, Parser } from '@actions/expressions';
import type { FunctionDefinition } from '@actions/expressions/funcs/info';
import type { TemplateToken } from '@actions/workflow-parser/templates/tokens/template-token';
import { isBasicExpression, isBoolean, isMapping, isNumber, isSequence, isString } from './parser.ts';

/** What an expression gives or reads: JSON. */
export type Value = null | string | number | boolean | Value[] | { [name: string]: Value };

/** What an expression may see. */
export interface Scope {
  contexts: Record<string, Value>;
  /** The functions that the packages leave to the runner. */
  status: { success: boolean; failure: boolean; cancelled: boolean };
  hashFiles(patterns: string[]): string;
}

/** The value of an expression, without its `${{ }}`. @throws the package's errors */
export function evaluateExpression(expression: string, scope: Scope): Value {
  const functions = runnerFunctions(scope);
  const parser = new Parser(new Lexer(expression).lex().tokens, Object.keys(scope.contexts), functions);
  const contexts = new data.Dictionary(
    ...Object.entries(scope.contexts).map(([key, value]) => ({ key, value: toData(value) })),
  );
  const known = new Map(functions.map((each) => [each.name.toLowerCase(), each]));
  return fromData(new Evaluator(parser.parse(), contexts, known).evaluate());
}

/** Whether a condition holds, as expressions see truth: null, false, 0, NaN and the empty string are false. */
export function holds(condition: string, scope: Scope): boolean {
  const value = evaluateExpression(condition, scope);
  return value !== null && value !== false && value !== '' && value !== 0 && !Number.isNaN(value);
}

/** The value of a piece of a workflow, with every expression in it evaluated. */
export function evaluateToken(token: TemplateToken | undefined, scope: Scope): Value {
  if (token === undefined) return null;
  if (isMapping(token)) {
    return Object.fromEntries(
      [...token].map(({ key, value }) => [asText(evaluateToken(key, scope)), evaluateToken(value, scope)]),
    );
  }
  if (isSequence(token)) return [...token].map((item) => evaluateToken(item, scope));
  if (isBasicExpression(token)) return evaluateExpression(token.expression, scope);
  if (isString(token) || isNumber(token) || isBoolean(token)) return token.value;
  return null;
}

/** The same, of a mapping whose values become text: env, with, outputs. */
export function evaluateTexts(token: TemplateToken | undefined, scope: Scope): Record<string, string> {
  const value = evaluateToken(token, scope);
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return {};
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, asText(each)]));
}

/** A value as text, as expressions turn it into one. */
export function asText(value: Value): string {
  return toData(value).coerceString();
}

function runnerFunctions({ status, hashFiles }: Scope): FunctionDefinition[] {
  const answer = (name: string, value: boolean): FunctionDefinition => ({
    name,
    minArgs: 0,
    maxArgs: 0,
    call: () => new data.BooleanData(value),
  });
  return [
    answer('success', status.success),
    answer('failure', status.failure),
    answer('cancelled', status.cancelled),
    answer('always', true),
    {
      name: 'hashFiles',
      minArgs: 1,
      maxArgs: 255,
      call: (...patterns) => new data.StringData(hashFiles(patterns.map((each) => each.coerceString()))),
    },
  ];
}

function toData(value: Value): data.ExpressionData {
  if (value === null) return new data.Null();
  if (typeof value === 'string') return new data.StringData(value);
  if (typeof value === 'number') return new data.NumberData(value);
  if (typeof value === 'boolean') return new data.BooleanData(value);
  if (Array.isArray(value)) return new data.Array(...value.map((each) => toData(each)));
  return new data.Dictionary(...Object.entries(value).map(([key, each]) => ({ key, value: toData(each) })));
}

function fromData(value: data.ExpressionData): Value {
  return JSON.parse(JSON.stringify(value, data.replacer) ?? 'null') as Value;
}
