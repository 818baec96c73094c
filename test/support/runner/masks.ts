/** What must not be read in a log: it is replaced by `***`, in the forms in which values are written too. */
export interface Masks {
  add(value: string): void;
  hide(text: string): string;
  /** Whether hiding would change it. */
  touches(text: string): boolean;
}

export function masks(): Masks {
  const values = new Set<string>();
  const hide = (text: string): string =>
    // The longest first, or a part of it would be left to read.
    [...values].sort((a, b) => b.length - a.length).reduce((hidden, value) => hidden.replaceAll(value, '***'), text);
  return {
    add(value) {
      // As the runner does: each line is a secret of its own, and so are the encodings that commonly hide one.
      for (const line of [value, ...value.split(/\r?\n/u)]) {
        if (line.trim() === '') continue;
        for (const form of [line, JSON.stringify(line).slice(1, -1), encodeURIComponent(line), ...base64Forms(line)]) {
          values.add(form);
        }
      }
    },
    hide,
    touches: (text) => hide(text) !== text,
  };
}

/** How a value looks inside base64, for each of the three places it can start at in a group of three bytes. */
function base64Forms(value: string): string[] {
  const bytes = Buffer.from(value);
  if (bytes.length < 4) return [];
  return [0, 1, 2]
    .map((skip) => {
      const whole = bytes.subarray(skip, skip + Math.floor((bytes.length - skip) / 3) * 3);
      return whole.toString('base64');
    })
    .filter((form) => form.length >= 8);
}
