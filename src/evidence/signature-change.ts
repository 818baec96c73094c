import type { Signature, SignatureValue } from './signature.ts';

/** What a version raises. */
export type Bump = 'major' | 'minor' | 'patch';

export interface SignatureChange {
  /** `major`: who calls the old model may fail with the new one. `minor`: it gives more than before. */
  bump: Bump;
  /** What changed, as the end of a sentence: "output probabilities is gone". Those that raise most come first. */
  what: string;
}

/**
 * What the change from one signature to another means to those who call the model, in the terms of Semantic Versioning 2.0.0. Pure.
 * Inputs and outputs are known by their names: their order does not matter.
 *
 * @returns the changes that raise more than a patch, the greatest first; none where whoever calls the old model may call the new one
 */
export function signatureChanges(before: Signature, after: Signature): SignatureChange[] {
  return [
    ...changesOf('input', before.inputs, after.inputs),
    ...changesOf('output', before.outputs, after.outputs),
  ].toSorted((a, b) => Number(a.bump === 'minor') - Number(b.bump === 'minor'));
}

/** More changes than this are a list, and not a sentence. */
const mostNamed = 3;

/** The changes in a few words: `output "probabilities" is gone, input "x" is new`. */
export function signatureChangesText(changes: readonly SignatureChange[]): string {
  if (changes.length === 0) return 'inputs and outputs are compatible';
  const text = changes
    .slice(0, mostNamed)
    .map(({ what }) => what)
    .join(', ');
  return changes.length > mostNamed ? `${text}, and ${changes.length - mostNamed} more changes` : text;
}

function changesOf(
  kind: 'input' | 'output',
  before: readonly SignatureValue[],
  after: readonly SignatureValue[],
): SignatureChange[] {
  const old = new Map(before.map((value) => [value.name, value]));
  const now = new Map(after.map((value) => [value.name, value]));
  const gone = [...old.keys()].filter((name) => !now.has(name));
  return [
    ...gone.map((name): SignatureChange => ({ bump: 'major', what: `${kind} ${quoted(name)} is gone` })),
    ...[...now.values()].flatMap((value): SignatureChange[] => {
      const named = `${kind} ${quoted(value.name)}`;
      const was = old.get(value.name);
      if (was === undefined) return [{ bump: kind === 'input' ? 'major' : 'minor', what: `${named} is new` }];
      const how = difference(kind, was, value);
      return how === null ? [] : [{ bump: 'major', what: `${named} ${how}` }];
    }),
  ];
}

function difference(kind: 'input' | 'output', before: SignatureValue, after: SignatureValue): string | null {
  if (before.type !== after.type) return `changed from ${shown(before.type)} to ${shown(after.type)}`;
  // An output whose shape was not stated could be of this one all along.
  if (kind === 'output' && before.shape === null) return null;
  if (after.shape === null || accepts(before.shape, after.shape)) return null;
  return `changed from ${shapeText(before.shape)} to ${shapeText(after.shape)}`;
}

/** A dimension may become one of any size, and be called by another name; it may not become fixed. */
function accepts(before: SignatureValue['shape'], after: NonNullable<SignatureValue['shape']>): boolean {
  return (
    before?.length === after.length &&
    after.every((size, dimension) => typeof size !== 'number' || size === before[dimension])
  );
}

function shapeText(shape: SignatureValue['shape']): string {
  if (shape === null) return 'any shape';
  return shown(`[${shape.map((size) => (typeof size === 'number' ? size : size || '?')).join(', ')}]`);
}

/** A model is written by others, and its names may be of any length. */
function shown(text: string): string {
  const [start = ''] = /^.{0,60}/su.exec(text) ?? [];
  return start.length < text.length ? `${start}...` : text;
}

function quoted(name: string): string {
  return JSON.stringify(shown(name));
}
