import { ConfigError } from '../errors.ts';
import { isObject } from '../json.ts';
import { quote } from './json.ts';
import type { FeatureColumn, FeatureRows } from './request.ts';

/*
 * Requests of any JSON API, from a form in which marks stand for what differs from row to row:
 * "{{column}}" for the cell of a row (inside a longer text: its text), "{{$features}}" for the list of all features, "{{$record}}" for
 * an object of them by name, "{{$columns}}" for their names, "{{$model}}" for the name of the model, and an object {"$each": form} for
 * the list with that form for every row.
 */

const mark = /\{\{\s*(\$?[^{}]+?)\s*\}\}/gu;
const wholeMark = /^\{\{\s*(\$?[^{}]+?)\s*\}\}$/u;
const each = '$each';
const special = ['$features', '$record', '$columns', '$model'];

/** What a form reads: names of columns, and whether it holds all rows of a request or one. */
export interface FormUse {
  columns: string[];
  features: boolean;
  /** It repeats a part for each row. */
  repeats: boolean;
}

/** @throws ConfigError for a mark that is none, or a form that repeats inside what it repeats */
export function formUse(form: unknown, where: string): FormUse {
  const use: FormUse = { columns: [], features: false, repeats: false };
  const visit = (value: unknown, inside: boolean): void => {
    if (typeof value === 'string') {
      for (const name of marksOf(value)) {
        if (!name.startsWith('$')) use.columns.push(name);
        else if (!special.includes(name)) {
          throw new ConfigError({
            found: `{{${name}}}`,
            expected: `a column, or one of: ${special.map((known) => `{{${known}}}`).join(', ')}`,
            where,
          });
        } else if (name === '$features' || name === '$record') use.features = true;
      }
    } else if (Array.isArray(value)) value.forEach((item) => visit(item, inside));
    else if (isObject(value)) {
      if (!(each in value)) return Object.values(value).forEach((item) => visit(item, inside));
      if (inside || use.repeats || Object.keys(value).length > 1) {
        throw new ConfigError({
          found: `"${each}" ${inside ? 'inside another' : use.repeats ? 'twice' : 'beside other keys'}`,
          expected: `one {"${each}": form} in a request`,
          where,
        });
      }
      use.repeats = true;
      visit(value[each], true);
    }
  };
  visit(form, false);
  return { ...use, columns: [...new Set(use.columns)] };
}

function marksOf(text: string): string[] {
  return Array.from(text.matchAll(mark), ([, name]) => name as string);
}

type Fill = (row: number, rows: ArrayLike<number>) => unknown;

/**
 * The JSON of requests of a form. Marks of columns outside "$each" are those of the first row.
 * @param columns the features, in their order
 * @param named every column that the form names
 */
export function requestWriter(
  form: unknown,
  input: { columns: readonly FeatureColumn[]; named: ReadonlyMap<string, FeatureColumn>; model: string },
): (rows: FeatureRows['rows']) => string {
  const { columns, named, model } = input;
  const fill = compiled(form);
  return (rows) => JSON.stringify(fill(rows[0] ?? 0, rows));

  function compiled(value: unknown): Fill {
    if (typeof value === 'string') return ofText(value);
    if (Array.isArray(value)) {
      const parts = value.map(compiled);
      return (row, rows) => parts.map((part) => part(row, rows));
    }
    if (!isObject(value)) return () => value;
    if (each in value) {
      const part = compiled(value[each]);
      return (_row, rows) => Array.from(rows, (row) => part(row, rows));
    }
    const parts = Object.entries(value).map(([key, item]) => [key, compiled(item)] as const);
    return (row, rows) => Object.fromEntries(parts.map(([key, part]) => [key, part(row, rows)]));
  }

  function ofText(text: string): Fill {
    const whole = wholeMark.exec(text)?.[1];
    if (whole !== undefined) return ofMark(whole);
    if (marksOf(text).length === 0) return () => text;
    const parts = text.split(mark).map((part, index) => (index % 2 === 0 ? () => part : ofMark(part)));
    return (row, rows) => parts.map((part) => textOf(part(row, rows))).join('');
  }

  function ofMark(name: string): Fill {
    if (name === '$model') return () => model;
    if (name === '$columns') return () => columns.map((column) => column.name);
    if (name === '$features') return (row) => columns.map((column) => cell(column, row));
    if (name === '$record') {
      return (row) => Object.fromEntries(columns.map((column) => [column.name, cell(column, row)]));
    }
    const column = named.get(name);
    if (column === undefined) throw new Error(`column ${quote(name)} was not read`);
    return (row) => cell(column, row);
  }
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : value === null || value === undefined ? '' : JSON.stringify(value);
}

/** A cell as JSON; null where there is none, or no number that JSON knows. */
function cell(column: FeatureColumn, row: number): number | string | boolean | null {
  if (column.kind === 'text') return column.values[row] ?? null;
  const value = column.values[row] as number;
  if (!Number.isFinite(value)) return null;
  return column.isBoolean === true ? value !== 0 : value;
}
