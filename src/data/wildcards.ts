/** Wildcards `*` and `?`. Greedy with one point to fall back to: linear for one star, never exponential. */
export function matches(pattern: string, name: string): boolean {
  let [at, star, resume] = [0, -1, 0];
  for (let position = 0; position < name.length;) {
    if (pattern[at] === '*') [star, resume, at] = [at, position, at + 1];
    else if (at < pattern.length && (pattern[at] === '?' || pattern[at] === name[position]))
      [at, position] = [at + 1, position + 1];
    else if (star >= 0) {
      resume += 1;
      [at, position] = [star + 1, resume];
    } else return false;
  }
  return /^\**$/u.test(pattern.slice(at));
}
