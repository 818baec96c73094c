import { isUtf8 } from 'node:buffer';
import { isDeepStrictEqual } from 'node:util';
import {
  isAlias,
  isMap,
  isNode,
  isScalar,
  Document,
  LineCounter,
  Pair,
  parseDocument,
  Scalar,
  visit,
  YAMLMap,
} from 'yaml';
import { RegistryError } from '../errors.ts';
import { modelDigest, type Version } from '../evidence/index.ts';
import { committedPlace } from './artifact-uri.ts';
import type { Finding } from './chain.ts';
import { plainFile, type TreeEntry } from './git/objects.ts';
import { artifactsPath } from './layout.ts';
import type { BlobReader } from './model-state.ts';

/*
 * artifacts.yaml as GTO reads it (github.com/iterative/gto, gto/index.py): by name, of what type an artifact is and where it lies. GTO
 * looks at it in the commit that a tag points at. People write it too, so that nothing of theirs is lost or moved.
 */

const maximumBytes = 1024 * 1024;

/** Keeps git from writing other bytes to the work tree than it has. */
const attributesRemedy = 'Add the line "artifacts.yaml text eol=lf -filter -ident" to .gitattributes';

/**
 * The text with the champion of a model in its entry; comments, other keys and other entries stay. Pure. A text that says it already is
 * returned as it is.
 *
 * Two models may be of one path: it is what they are, and only `gto annotate` minds.
 *
 * @param text null: there is no such file yet
 * @param decision the number of the decision that made it champion
 * @throws RegistryError when the text cannot be kept
 */
export function withChampion(text: string | null, model: string, champion: Version, decision: number): string {
  const document = parsed(text ?? '');
  const before: unknown = document.toJS();
  const root = rootOf(document);
  const place = rangeOf(pairOf(root, model));
  const entry = mappingAt(document, root, model, model);
  const artifact = champion.artifacts.find(({ role }) => role !== 'image') ?? champion.artifacts[0];
  const committed = committedPlace(artifact?.uri ?? '');
  set(document, entry, 'type', 'model');
  set(document, entry, 'path', committed?.path ?? artifact?.uri);
  set(document, entry, 'virtual', committed === null ? undefined : false);
  const custom = mappingAt(document, entry, 'custom', `${model}.custom`);
  set(document, custom, 'version', champion.version);
  set(document, custom, 'sha256', artifact?.sha256);
  set(document, custom, 'decision', decision);
  const after: unknown = document.toJS();
  if (text !== null && isDeepStrictEqual(before, after)) return text;
  const small = textWith(text ?? '', place, model, entry);
  return says(small, after) ? small : document.toString(style);
}

/** @throws RegistryError when the text is not one that champions can be written to */
export function refuseUnreadable(text: string | null): void {
  rootOf(parsed(text ?? ''));
}

/** What it says of champions and is not so. A model that it says nothing of is left alone: it may be older than the setting. Pure. */
export function artifactsFindings(text: string | null, champions: ReadonlyMap<string, Version>): Finding[] {
  const root = rootOf(parsed(text ?? ''));
  return [...champions].flatMap(([model, champion]): Finding[] => {
    const entry = pairOf(root, model)?.value;
    const custom = isMap(entry) ? pairOf(entry, 'custom')?.value : undefined;
    const [version, sha256] = ['version', 'sha256'].map((key) => (isMap(custom) ? custom.get(key) : undefined));
    if (version === undefined && sha256 === undefined) return [];
    const digest = modelDigest(champion);
    if (version === champion.version && sha256 === digest) return [];
    const versionText = (name: unknown, bytes: unknown): string =>
      `version ${String(name)} with sha256 ${String(bytes)}`;
    return [
      {
        path: artifactsPath,
        found: `${model}.custom names ${versionText(version, sha256)}`,
        expected: `the champion: ${versionText(champion.version, digest)}`,
        remedy: 'Correct the file and commit it, or wait: the next decision that changes the champion corrects it too',
      },
    ];
  });
}

/**
 * The text of the file that a commit has there; null where it has none.
 *
 * @throws RegistryError when it is not a file of text of a sensible size
 */
export async function readArtifacts(entry: TreeEntry | null, read: BlobReader): Promise<string | null> {
  if (entry === null) return null;
  if (entry.mode !== plainFile) {
    const kind = { '120000': 'a symbolic link', '160000': 'a submodule', '040000': 'a folder' }[entry.mode];
    throw refused(
      kind ?? `a file of mode ${entry.mode}`,
      `a plain file (${plainFile})`,
      'Commit it as a regular file, or remove it',
    );
  }
  if (entry.size > maximumBytes) {
    throw refused(`a file of ${entry.size} bytes`, `at most ${maximumBytes} bytes`, 'Remove what is not needed');
  }
  const bytes = (await read([entry])).get(entry.oid) as Buffer;
  if (!isUtf8(bytes)) throw refused('bytes that are not UTF-8', 'UTF-8', 'Save it as UTF-8');
  return bytes.toString('utf8');
}

function parsed(text: string): Document {
  if (text.includes('\r')) {
    throw refused(
      'Windows line endings (CRLF)',
      'LF, so that only the lines of a champion change',
      `${attributesRemedy}, and commit it anew: git add --renormalize ${artifactsPath}`,
    );
  }
  const lines = new LineCounter();
  // Its own search for keys that are there twice takes minutes for a file of a megabyte.
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false });
  const at = (offset = 0): string => {
    const { line, col } = lines.linePos(offset);
    return `:${line}:${col}`;
  };
  const [fault] = document.errors;
  if (fault !== undefined) {
    throw refused(`not valid YAML: ${fault.message}`, 'one YAML document', 'Correct the YAML', at(fault.pos[0]));
  }
  visit(document, {
    Node(_, node) {
      const marked = isAlias(node) ? `*${node.source}` : node.anchor === undefined ? null : `&${node.anchor}`;
      if (marked !== null) {
        throw refused(marked, 'no anchors and aliases', 'Write out what is repeated', at(node.range?.[0]));
      }
      const twice = isMap(node) ? keyGivenTwice(node) : undefined;
      if (twice !== undefined) {
        const found = `the key ${JSON.stringify(nameOf(twice))} twice`;
        throw refused(found, 'every key once', 'Remove one of them', at(twice.range?.[0]));
      }
    },
  });
  return document;
}

/** The mapping from names to artifacts; an empty one is made where the text has none. */
function rootOf(document: Document): YAMLMap {
  const { contents } = document;
  if (isMap(contents)) {
    // {} is how GTO writes that there is none.
    if (contents.items.length === 0) contents.flow = false;
    return contents;
  }
  if (!isEmpty(contents)) {
    throw refused(`a ${kindOf(contents)}`, 'a mapping from names to artifacts', 'Write it as GTO does: gto annotate');
  }
  const root = mappingInPlaceOf(document, contents);
  document.contents = root;
  return root;
}

/** The mapping at a key; an empty one is put there where there is none. */
function mappingAt(document: Document, parent: YAMLMap, key: string, where: string): YAMLMap {
  const pair = pairOf(parent, key);
  const there = pair?.value ?? null;
  // A name that was taken for a number, or null, is one from now on.
  if (isScalar(pair?.key)) pair.key.value = key;
  if (isMap(there)) return there;
  if (!isEmpty(there)) {
    throw refused(`${where} is a ${kindOf(there)}`, 'a mapping', 'Make it a mapping, or remove it');
  }
  const made = mappingInPlaceOf(document, there);
  if (pair === undefined) parent.items.push(document.createPair(key, made));
  else pair.value = made;
  return made;
}

function mappingInPlaceOf(document: Document, old: unknown): YAMLMap {
  const made = new YAMLMap(document.schema);
  const comments = isNode(old) ? [old.commentBefore, old.comment].filter((each) => typeof each === 'string') : [];
  if (comments.length > 0) made.commentBefore = comments.join('\n');
  return made;
}

/** @param value undefined: the key is taken away */
function set(document: Document, map: YAMLMap, key: string, value: string | number | boolean | undefined): void {
  const pair = pairOf(map, key);
  const old = pair?.value;
  if (value === undefined) {
    if (pair !== undefined) map.items.splice(map.items.indexOf(pair), 1);
    return;
  }
  if (isScalar(old) && old.value === value) return;
  const node = document.createNode(value);
  if (isNode(old)) {
    node.comment = old.comment ?? null;
    node.commentBefore = old.commentBefore ?? null;
  }
  if (pair === undefined) map.items.push(document.createPair(key, node));
  else pair.value = node;
}

function keyGivenTwice(map: YAMLMap): Scalar | undefined {
  const seen = new Set<string>();
  return map.items
    .map(({ key }) => key)
    .filter(isScalar)
    .find((key) => seen.size === seen.add(nameOf(key)).size);
}

/** By the text of the key: 123 is the name of a model as well as "123". */
function pairOf(map: YAMLMap, key: string): Pair | undefined {
  return map.items.find((pair) => isScalar(pair.key) && nameOf(pair.key) === key);
}

function nameOf({ source, value }: { source?: string; value: unknown }): string {
  return source ?? String(value);
}

function isEmpty(node: unknown): boolean {
  return node === null || (isScalar(node) && node.value === null);
}

function kindOf(node: unknown): string {
  return isScalar(node) ? 'single value' : 'list';
}

/** As GTO writes; no line is folded. */
const style = { indentSeq: false, flowCollectionPadding: false, lineWidth: 0 };

/** Where an entry starts and ends in the text, with the comments in it. */
type Range = [start: number, end: number];

function rangeOf(pair: Pair | undefined): Range | undefined {
  const [key, value] = [pair?.key, pair?.value].map((node) => (isNode(node) ? node.range : undefined));
  return key ? [key[0], (value ?? key)[2]] : undefined;
}

/** The text with an entry in its place, or at the end: no byte changes but those of the entry. */
function textWith(text: string, place: Range | undefined, model: string, entry: YAMLMap): string {
  const alone = new YAMLMap();
  alone.items.push(new Pair(new Scalar(model), entry));
  const lines = new Document(alone).toString(style);
  if (place === undefined) return `${text}${text === '' || text.endsWith('\n') ? '' : '\n'}${lines}`;
  const [start, end] = place;
  // Blank lines below it are not its own.
  const below = text.slice(start + text.slice(start, end).trimEnd().length);
  return `${text.slice(0, start)}${lines.trimEnd()}${below === '' ? '\n' : below}`;
}

/** Not so where no small change would do: the whole is in braces, or says where it ends. */
function says(text: string, wanted: unknown): boolean {
  const document = parseDocument(text, { uniqueKeys: false });
  return document.errors.length === 0 && isDeepStrictEqual(document.toJS(), wanted);
}

function refused(found: string, expected: string, remedy: string, at = ''): RegistryError {
  return new RegistryError({ found, expected, where: `${artifactsPath}${at}`, remedy });
}
