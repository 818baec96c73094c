/** A double as its two words of 32 bits: write `float[0]`, read `words`, or the other way round. */
export const float = new Float64Array(1);
export const words = new Uint32Array(float.buffer);
/** On every platform that Node runs on the low word comes first; asked all the same. */
export const [lowWord, highWord] = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1 ? [0, 1] : [1, 0];
