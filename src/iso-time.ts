/** A date in ISO 8601, with a time of day or without, as patterns of the language and of the engine both read it. */
export const timePattern =
  '[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?(?: ?(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?))?)?';

const wholeTime = new RegExp(`^(?:${timePattern})$`, 'u');

/** Whether a text is a date in ISO 8601, with a time of day or without. */
export function isTimeText(text: string): boolean {
  return wholeTime.test(text);
}

/**
 * The milliseconds since 1970 that a text says in ISO 8601; null where it says none. Without a zone it is UTC: the language itself
 * takes the zone of the machine.
 */
export function millisecondsIn(text: string): number | null {
  if (!isTimeText(text)) return null;
  const [, day = '', clock = '00:00', sign = '+', hours = '00', minutes = '00'] =
    /^(.{10})(?:.([\d:.,]+)(?: ?(?:Z|([+-])(\d\d):?(\d\d)?))?)?$/u.exec(text) ?? [];
  const time = Date.parse(`${day}T${clock.replace(',', '.')}${sign}${hours}:${minutes}`);
  // The language takes the 30th of February for the second of March.
  return Number.isNaN(time) || !new Date(`${day}T00:00Z`).toISOString().startsWith(day) ? null : time;
}
