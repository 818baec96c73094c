import { isIP } from 'node:net';

/** What personal data look like, as far as their form or a check digit tells. */
export const personalKinds = ['email', 'iban', 'card', 'phone', 'ip', 'national-id'] as const;
export type PersonalKind = (typeof personalKinds)[number];

/** How people call it: of one value, and of several. */
export const personalNames: Readonly<Record<PersonalKind, readonly [one: string, several: string]>> = {
  email: ['e-mail address', 'e-mail addresses'],
  iban: ['IBAN', 'IBANs'],
  card: ['card number', 'card numbers'],
  phone: ['phone number', 'phone numbers'],
  ip: ['IP address', 'IP addresses'],
  'national-id': ['national id', 'national ids'],
};

/** Kinds that little else looks like: one in a text is enough to tell. */
export const certainKinds: readonly PersonalKind[] = ['email', 'iban'];

interface Form {
  kind: PersonalKind;
  /** Digits that every match has at least, so that a text with fewer is not searched. */
  digits: number;
  /** A character that every match has. */
  has?: string;
  pattern: RegExp;
  holds?: (text: string) => boolean;
}

const email = String.raw`[\p{L}\p{N}._%+'-]{1,64}@(?:[\p{L}\p{N}](?:[\p{L}\p{N}-]{0,62})\.)+\p{L}{2,24}`;

/** In the order they are looked for: what is one is no other. */
const forms: readonly Form[] = [
  { kind: 'email', digits: 0, has: '@', pattern: new RegExp(email, 'gu') },
  {
    kind: 'iban',
    digits: 6,
    pattern: /(?<![A-Za-z0-9])[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]){11,30}(?![A-Za-z0-9])/gu,
    holds: isIban,
  },
  {
    kind: 'ip',
    digits: 4,
    has: '.',
    pattern: /(?<![0-9.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![0-9.])/gu,
    holds: isAddress,
  },
  {
    kind: 'ip',
    digits: 0,
    has: ':',
    pattern: /(?<![0-9A-Fa-f:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{1,4}(?![0-9A-Fa-f:.])/gu,
    holds: isAddress,
  },
  // United States: SSN. Brazil: CPF. Spain: DNI, NIE. Italy: codice fiscale. Sweden: personnummer. United Kingdom: NINO.
  {
    kind: 'national-id',
    digits: 9,
    has: '-',
    pattern: /(?<![0-9-])(?!000|666|9)[0-9]{3}-(?!00)[0-9]{2}-(?!0000)[0-9]{4}(?![0-9-])/gu,
  },
  {
    kind: 'national-id',
    digits: 11,
    has: '.',
    pattern: /(?<![0-9.])[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}(?![0-9])/gu,
    holds: isCpf,
  },
  {
    kind: 'national-id',
    digits: 7,
    pattern: /(?<![A-Za-z0-9])[XYZ0-9][0-9]{7}-?[A-HJ-NP-TV-Z](?![A-Za-z0-9])/gu,
    holds: isDni,
  },
  {
    kind: 'national-id',
    digits: 7,
    pattern: /(?<![A-Za-z0-9])[A-Z]{6}[0-9]{2}[A-EHLMPRST][0-9]{2}[A-Z][0-9]{3}[A-Z](?![A-Za-z0-9])/gu,
  },
  {
    kind: 'national-id',
    digits: 10,
    pattern: /(?<![0-9])(?:19|20)?[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[-+][0-9]{4}(?![0-9])/gu,
    holds: isPersonnummer,
  },
  {
    kind: 'national-id',
    digits: 6,
    pattern:
      /(?<![A-Za-z0-9])[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D](?![A-Za-z0-9])/gu,
  },
  {
    kind: 'card',
    digits: 13,
    pattern: /(?<![0-9+])(?<![0-9][ .,-])[2-6][0-9]{3}([ -]?)[0-9]{4}\1[0-9]{4}\1[0-9]{1,7}(?![0-9])/gu,
    holds: isCard,
  },
  {
    kind: 'card',
    digits: 15,
    pattern: /(?<![0-9+])(?<![0-9][ .,-])3[47][0-9]{2}([ -]?)[0-9]{6}\1[0-9]{5}(?![0-9])/gu,
    holds: isCard,
  },
  // With the sign of its country, or grouped as in North America.
  {
    kind: 'phone',
    digits: 8,
    pattern:
      /(?<![0-9A-Za-z+])(?<![0-9][ .-])(?:\+|00)[1-9][0-9]{0,2}[ .-]?(?:\(0?[0-9]{1,4}\)[ .-]?)?(?:[0-9]{1,4}[ ./-]?){2,5}[0-9]{2,4}(?![0-9])/gu,
    holds: isPhone,
  },
  {
    kind: 'phone',
    digits: 10,
    pattern: /(?<![0-9])(?:\([2-9][0-9]{2}\) ?|[2-9][0-9]{2}[-.])[2-9][0-9]{2}[-.][0-9]{4}(?![0-9])/gu,
  },
];

/** Of a form that has neither an @ nor a colon. */
const fewestDigits = Math.min(...forms.filter(({ has }) => has !== '@' && has !== ':').map(({ digits }) => digits));

/** Longer texts are looked at up to here. */
const longest = 2000;

/** The kinds of personal data in a text, and whether it is nothing but one of them. */
export function personalIn(text: string): { kind: PersonalKind; whole: boolean }[] {
  if (digitsIn(text) < fewestDigits && !text.includes('@') && !text.includes(':')) return [];
  const found = new Map<PersonalKind, boolean>();
  const trimmed = text.trim();
  replaced(text.slice(0, longest), personalKinds, (kind, match) => {
    found.set(kind, (found.get(kind) ?? false) || match === trimmed);
    return ' ';
  });
  return [...found].map(([kind, whole]) => ({ kind, whole }));
}

/** A text with all that looks like personal data of these kinds put out of sight. */
export function withoutPersonal(text: string, kinds: readonly PersonalKind[] = certainKinds): string {
  const masked = replaced(text, kinds, (kind) => maskOf(kind));
  // What is left of an address that was cut off.
  return kinds.includes('email') ? masked.replace(/[\p{L}\p{N}._%+-]+@[\p{L}\p{N}.-]*…/gu, maskOf('email')) : masked;
}

export function maskOf(kind: PersonalKind): string {
  return `[${personalNames[kind][0]}]`;
}

function replaced(
  text: string,
  kinds: readonly PersonalKind[],
  by: (kind: PersonalKind, match: string) => string,
): string {
  let rest = text;
  const there = digitsIn(text);
  for (const { kind, digits, has, pattern, holds } of forms) {
    if (there < digits || !kinds.includes(kind) || (has !== undefined && !rest.includes(has))) continue;
    rest = rest.replace(pattern, (match) => (holds === undefined || holds(match) ? by(kind, match) : match));
  }
  return rest;
}

function digitsIn(text: string): number {
  let count = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code >= 48 && code <= 57) count++;
  }
  return count;
}

/** ISO 13616: letters are numbers from 10 on, and the whole with its first four characters at the end is 1 modulo 97. */
function isIban(text: string): boolean {
  const compact = text.replaceAll(' ', '');
  if (compact.length < 15 || compact.length > 34) return false;
  let rest = 0;
  for (const character of compact.slice(4) + compact.slice(0, 4)) {
    const value = Number.parseInt(character, 36);
    rest = (rest * (value > 9 ? 100 : 10) + value) % 97;
  }
  return rest === 1;
}

function isCard(text: string): boolean {
  const digits = text.replace(/[^0-9]/gu, '');
  return digits.length >= 13 && digits.length <= 19 && new Set(digits).size > 1 && isLuhn(digits);
}

/** ISO/IEC 7812-1, annex B. */
function isLuhn(digits: string): boolean {
  let sum = 0;
  for (const [index, digit] of [...digits].toReversed().entries()) {
    const value = Number(digit) * (index % 2 === 0 ? 1 : 2);
    sum += value > 9 ? value - 9 : value;
  }
  return sum % 10 === 0;
}

/** Addresses of this machine, of no machine and of all tell of nobody. */
function isAddress(text: string): boolean {
  return isIP(text) !== 0 && !/^(?:127\.|0\.|255\.|::1?$)/u.test(text);
}

function isPhone(text: string): boolean {
  const digits = text.replace(/[^0-9]/gu, '').replace(/^00/u, '');
  return digits.length >= 8 && digits.length <= 15;
}

function isPersonnummer(text: string): boolean {
  return isLuhn(text.replace(/[^0-9]/gu, '').slice(-10));
}

function isCpf(text: string): boolean {
  const digits = [...text.replace(/[^0-9]/gu, '')].map(Number);
  if (new Set(digits).size === 1) return false;
  return [9, 10].every((length) => {
    const sum = digits.slice(0, length).reduce((total, digit, index) => total + digit * (length + 1 - index), 0);
    return ((sum * 10) % 11) % 10 === digits[length];
  });
}

function isDni(text: string): boolean {
  const letter = text.at(-1);
  const number = Number(text.slice(0, 8).replace(/^[XYZ]/u, (first) => String('XYZ'.indexOf(first))));
  return 'TRWAGMYFPDXBNJZSQVHLCKE'[number % 23] === letter;
}
