import { fullFormats } from 'ajv-formats/dist/formats.js';
import { exactly, sufficient, unknown, all, type Verdict } from './verdicts.ts';
import { matches } from './texts.ts';

export const clock = '(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:[.][0-9]+)?';
export const zone = '(?:[zZ]|[+-](?:[01][0-9]|2[0-3])(?::?[0-5][0-9])?)';
const day = '[0-9]{4}-[0-9]{2}-[0-9]{2}';

/** What SQL can say of a text in a format, as ajv-formats has it. */
export function formatVerdict(name: string, text: string): Verdict {
  switch (name) {
    case 'date':
      return isWrittenDay(text);
    case 'date-time':
      return all([fullMatch(text, `${day}[tT ]${clock}${zone}`), isDay(`left(${text}, 10)`)]);
    case 'iso-date-time':
      return all([fullMatch(text, `${day}[tT ]${clock}${zone}?`), isDay(`left(${text}, 10)`)]);
    case 'time':
      return fullMatch(text, `${clock}${zone}`);
    case 'iso-time':
      return fullMatch(text, `${clock}${zone}?`);
    case 'password':
    case 'binary':
      return exactly('true');
    default: {
      const own = (fullFormats as Record<string, unknown>)[name];
      return own instanceof RegExp ? matches(text, own) : unknown;
    }
  }
}

/**
 * Whether a text is a day as it is written in ISO 8601, which the engine writes it as too: a third of the time of a pattern. No other text
 * of ten characters is what the engine writes.
 */
function isWrittenDay(text: string): Verdict {
  return sufficient(`(strlen(${text}) = 10 and cast(try_cast(${text} as date) as varchar) = ${text})`);
}

/** Whether there is such a day. Leap seconds and years that the engine does not know are left to ajv. */
function isDay(text: string): Verdict {
  return sufficient(`try_cast(${text} as date) is not null`);
}

function fullMatch(text: string, pattern: string): Verdict {
  return sufficient(`regexp_full_match(${text}, '${pattern}')`);
}
