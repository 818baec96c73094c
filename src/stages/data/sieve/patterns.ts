import { parseRegExpLiteral, type AST } from '@eslint-community/regexpp';

/** A pattern in the engine's dialect (RE2), which finds a match in the same texts. */
export interface TranslatedPattern {
  pattern: string;
  /** It is the same for texts of ASCII only: without the flag `u` JavaScript matches halves of other characters. */
  asciiOnly: boolean;
}

/**
 * Translate a regular expression of ECMAScript. Null where it has what RE2 lacks or reads otherwise: assertions that look around,
 * back references, Unicode properties, repetitions beyond 1,000.
 */
export function translatePattern(expression: RegExp): TranslatedPattern | null {
  const foldsCase = expression.ignoreCase;
  if (/[^iu]/u.test(expression.flags) || (foldsCase && expression.unicode)) return null;
  try {
    const { pattern } = parseRegExpLiteral(expression);
    return { pattern: alternatives(pattern.alternatives, foldsCase), asciiOnly: !expression.unicode };
  } catch (cause) {
    if (cause instanceof NotInDialect || cause instanceof SyntaxError) return null;
    throw cause;
  }
}

class NotInDialect extends Error {}

function alternatives(nodes: readonly AST.Alternative[], foldsCase: boolean): string {
  return nodes.map(({ elements }) => elements.map((each) => element(each, foldsCase)).join('')).join('|');
}

function element(node: AST.Element, foldsCase: boolean): string {
  switch (node.type) {
    case 'Character':
      return `[${character(node.value, foldsCase)}]`;
    case 'CharacterSet':
      return `[${setOf(node, false)}]`;
    case 'CharacterClass':
      return classOf(node, foldsCase);
    case 'CapturingGroup':
      return `(?:${alternatives(node.alternatives, foldsCase)})`;
    case 'Group':
      if (node.modifiers !== null) throw new NotInDialect();
      return `(?:${alternatives(node.alternatives, foldsCase)})`;
    case 'Quantifier':
      return quantified(node, foldsCase);
    case 'Assertion':
      if (node.kind === 'start') return '\\A';
      if (node.kind === 'end') return '\\z';
      // A word is one of ASCII letters in both dialects.
      if (node.kind === 'word') return node.negate ? '\\B' : '\\b';
      throw new NotInDialect();
    default:
      throw new NotInDialect();
  }
}

const mostRepetitions = 1000;

function quantified({ element: repeated, min, max }: AST.Quantifier, foldsCase: boolean): string {
  if (min > mostRepetitions || (Number.isFinite(max) && max > mostRepetitions)) throw new NotInDialect();
  const once = `(?:${element(repeated, foldsCase)})`;
  return `${once}{${min},${Number.isFinite(max) ? max : ''}}`;
}

function classOf(node: AST.CharacterClass, foldsCase: boolean): string {
  if (node.unicodeSets) throw new NotInDialect();
  const parts = node.elements.map((each) => {
    switch (each.type) {
      case 'Character':
        return character(each.value, foldsCase);
      case 'CharacterClassRange':
        return range(each.min.value, each.max.value, foldsCase);
      case 'CharacterSet':
        return setOf(each, true);
      default:
        throw new NotInDialect();
    }
  });
  // RE2 has no class without members.
  if (parts.length === 0) return node.negate ? `[\\x{0}-\\x{10FFFF}]` : `[^\\x{0}-\\x{10FFFF}]`;
  return `[${node.negate ? '^' : ''}${parts.join('')}]`;
}

const lineEnds = '\\x{A}\\x{D}\\x{2028}\\x{2029}';
/** WhiteSpace and LineTerminator of ECMA-262, sections 12.2 and 12.3. */
const space =
  '\\x{9}-\\x{D}\\x{20}\\x{A0}\\x{1680}\\x{2000}-\\x{200A}\\x{2028}\\x{2029}\\x{202F}\\x{205F}\\x{3000}\\x{FEFF}';
const word = '0-9A-Za-z_';

function setOf(node: AST.CharacterSet, inClass: boolean): string {
  const members = { digit: '0-9', space, word, any: lineEnds } as const;
  if (node.kind === 'property') throw new NotInDialect();
  const isNegated = node.kind === 'any' || node.negate;
  if (!isNegated) return members[node.kind];
  // Inside of a class nothing can be negated apart.
  if (inClass) return outside(node.kind);
  return `^${members[node.kind]}`;
}

/** What is not in a set, as ranges. */
function outside(kind: 'digit' | 'space' | 'word' | 'any'): string {
  switch (kind) {
    case 'digit':
      return '\\x{0}-\\x{2F}\\x{3A}-\\x{10FFFF}';
    case 'word':
      return '\\x{0}-\\x{2F}\\x{3A}-\\x{40}\\x{5B}-\\x{5E}\\x{60}\\x{7B}-\\x{10FFFF}';
    case 'space':
      return '\\x{0}-\\x{8}\\x{E}-\\x{1F}\\x{21}-\\x{9F}\\x{A1}-\\x{167F}\\x{1681}-\\x{1FFF}\\x{200B}-\\x{2027}\\x{202A}-\\x{202E}\\x{2030}-\\x{205E}\\x{2060}-\\x{2FFF}\\x{3001}-\\x{FEFE}\\x{FF00}-\\x{10FFFF}';
    case 'any':
      throw new NotInDialect();
  }
}

function character(value: number, foldsCase: boolean): string {
  return range(value, value, foldsCase);
}

function range(low: number, high: number, foldsCase: boolean): string {
  const parts = [span(low, high)];
  if (foldsCase) {
    // Both cases of ASCII letters; the texts it is asked of have no others.
    for (const [from, to, shift] of [
      [0x41, 0x5a, 32],
      [0x61, 0x7a, -32],
    ] as const) {
      const [start, end] = [Math.max(low, from), Math.min(high, to)];
      if (start <= end) parts.push(span(start + shift, end + shift));
    }
  }
  return parts.join('');
}

function span(low: number, high: number): string {
  const name = (value: number): string => `\\x{${value.toString(16).toUpperCase()}}`;
  // Halves of characters stand in no text of the engine.
  if (low >= 0xd800 && high <= 0xdfff) throw new NotInDialect();
  return low === high ? name(low) : `${name(low)}-${name(high)}`;
}
