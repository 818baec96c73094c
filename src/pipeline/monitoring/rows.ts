/** Rows by their id; rows without one are left out. */
export function dataRowsOf(ids: readonly (string | null)[]): Map<string, number[]> {
  const rows = new Map<string, number[]>();
  for (const [row, id] of ids.entries()) {
    if (id === null) continue;
    const known = rows.get(id);
    if (known === undefined) rows.set(id, [row]);
    else known.push(row);
  }
  return rows;
}
