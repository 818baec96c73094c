/**
 * The function, remembering its last result for each first argument as long as that lives: what is asked of the same arrays by
 * many metrics is computed once. Its arguments must never change, and its result is shared: nobody may write to it.
 */
export function remembered<Key extends object, Rest extends readonly unknown[], Value>(
  compute: (key: Key, ...rest: Rest) => Value,
): (key: Key, ...rest: Rest) => Value {
  const known = new WeakMap<Key, { rest: Rest; value: Value }>();
  return (key, ...rest) => {
    const last = known.get(key);
    if (last !== undefined && last.rest.every((each, index) => each === rest[index])) return last.value;
    const value = compute(key, ...rest);
    known.set(key, { rest, value });
    return value;
  };
}
