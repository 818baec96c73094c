/** The allowed word nearest to what was written, if near enough to be a slip of the pen (Levenshtein distance). */
export function nearest(written: string, allowed: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const word of allowed) {
    const distance = editDistance(written.toLowerCase(), word.toLowerCase());
    // Two letters of three are another word: zip is no slip for id.
    const most = Math.min(written.length, word.length) <= 3 ? 1 : Math.max(2, Math.floor(written.length / 3));
    if (distance <= most && distance < bestDistance) {
      best = word;
      bestDistance = distance;
    }
  }
  return best;
}

/** The question that ends a message about a word that is none of those allowed; undefined where none is near. */
export function didYouMean(written: string, allowed: Iterable<string>): string | undefined {
  const near = nearest(written, allowed);
  return near === undefined ? undefined : `Did you mean ${near}?`;
}

function editDistance(a: string, b: string): number {
  // Hostile names may be long; beyond this no suggestion is worth the time.
  if (a.length > 200 || b.length > 200) return Number.POSITIVE_INFINITY;
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const substituted = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      current.push(Math.min(substituted, (previous[j] ?? 0) + 1, (current[j - 1] ?? 0) + 1));
    }
    previous = current;
  }
  return previous[b.length] ?? 0;
}
