/** Arrays of the datatypes whose elements are whole numbers of JavaScript. */
export const integerArrays = {
  INT8: Int8Array,
  INT16: Int16Array,
  INT32: Int32Array,
  UINT8: Uint8Array,
  UINT16: Uint16Array,
  UINT32: Uint32Array,
};
