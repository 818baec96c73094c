import { classPosition, classText, type ClassValue } from '../../data/class-text.ts';
import { ConfigError } from '../../errors.ts';
import { jsonIn } from '../../json.ts';
import type { ModelInspection } from '../inspect.ts';
import { metadataEntries } from '../metadata.ts';

/** Keys under which exporters and people keep the names of the classes, and not how many or how important they are. */
const keys =
  /^(?!.*(?:(?<!ac)count|weight|freq|prior|distribution|support|size|samples|total|number|rank|importance|threshold|cost|recall|precision|f1|accuracy|auc|score|metric)).*(?:class|label|target_?(?:names|categories))|^(?:categories|names|(?:id|idx|index|int)(?:2|_?to_?)str|str(?:2|_?to_?)(?:id|idx|index|int))$/iu;

/**
 * Nobody has said which score belongs to which class, so that the order of the labels is assumed. Metadata, or a node anywhere in
 * the model, that lists the same classes in another order contradicts that.
 * @throws ConfigError that says both orders
 */
export function refuseOtherOrders(
  { metadata, classLists }: Pick<ModelInspection, 'metadata' | 'classLists'>,
  classes: readonly ClassValue[],
  of: 'class' | 'label' = 'class',
): void {
  const names = classes.map(classText);
  const stated = metadataEntries(metadata, (key) => !ofOthers.test(key)).filter(([key]) => keys.test(key));
  const lists = [
    ...stated.map(([key, text]) => ({ where: `Its metadata (${key})`, listed: listIn(text, key) })),
    ...classLists.map((list) => ({ where: 'A part of it', listed: list.map(classText) })),
  ];
  for (const { where, listed } of lists) {
    const places = listed.map((name) => classPosition(name, names));
    if (listed.length !== classes.length || new Set(places).size < places.length || places.includes(-1)) continue;
    if (places.every((place, index) => place === index)) continue;
    const order = listed.map((name) => JSON.stringify(name)).join(', ');
    throw new ConfigError({
      found: `The model does not state which score belongs to which ${of}. ${where} lists the ${of === 'class' ? 'classes' : 'labels'} in the order ${order}`,
      expected: `a statement whether the scores are in that order or in the order of the labels: ${names.map((name) => JSON.stringify(name)).join(', ')}`,
      remedy: `Set columns.${of === 'class' ? 'classes' : of}: [${order}], or ${of === 'class' ? 'the other order' : 'correct the metadata'}`,
    });
  }
}

/** Keys of a configuration under which classes are those of a feature, or in the order of a table. */
const ofOthers =
  /feature|column|variable|input|vocab|preproc|encod(?:ers|ings)|categor|metric|score|confusion|report|evaluation/iu;

/**
 * A list as JSON, as text between commas, semicolons or line ends, or by number: `{"0": "cat", "1": "dog"}`, `{0: 'cat', 1: 'dog'}`, `{"cat": 0, "dog": 1}`.
 * Where both sides are numbers, the key `label2id` or 0, 1, 2, ... on one side alone says which are the classes.
 */
function listIn(text: string, key: string): string[] {
  for (const json of [text, text.replaceAll(/([{,]\s*)(\d+)\s*:/gu, '$1"$2":').replaceAll("'", '"')]) {
    const value = jsonIn(json);
    if (Array.isArray(value)) return value.map(nameOf);
    if (typeof value !== 'object' || value === null) continue;
    const [names, others] = [Object.keys(value), Object.values(value).map(nameOf)];
    const byName =
      areNumbers(others) &&
      (!areNumbers(names) ||
        /^(?:label|class|str)(?:2|_?to_?)/iu.test(key) ||
        (areCounted(others, 0) && !areCounted(names, 0)));
    // Others are how many rows each class has, or the like.
    if (byName && !areCounted(others, 0) && !areCounted(others, 1)) return [];
    const [numbers, classes] = byName ? [others, names] : [names, others];
    const places = [...classes.keys()].toSorted((a, b) => Number(numbers[a]) - Number(numbers[b]));
    return places.map((place) => classes[place] as string);
  }
  return text
    .trim()
    .split(/[,;\n]/u)
    .map((name) => name.trim());
}

/** What is no text, number or boolean names no class. */
function nameOf(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';
}

function areNumbers(texts: readonly string[]): boolean {
  return texts.every((text) => /^\d+$/u.test(text));
}

/** Are these 0, 1, 2, ..., in any order, or from another number on? */
function areCounted(texts: readonly string[], first: number): boolean {
  const given = new Set(texts);
  return texts.every((_, index) => given.has(String(first + index)));
}
