/** The solution of as many linear equations as there are unknowns: Gaussian elimination with partial pivoting. */
export function solve(matrix: readonly ArrayLike<number>[], right: ArrayLike<number>): number[] {
  const size = right.length;
  const rows: Float64Array[] = matrix.map((row, index) =>
    Float64Array.from([...Array.from(row), right[index] as number]),
  );
  for (let column = 0; column < size; column++) {
    let pivot = column;
    for (let row = column + 1; row < size; row++) {
      if (Math.abs(cell(rows, row, column)) > Math.abs(cell(rows, pivot, column))) pivot = row;
    }
    [rows[column], rows[pivot]] = [rows[pivot] as Float64Array, rows[column] as Float64Array];
    const top = rows[column] as Float64Array;
    for (let row = column + 1; row < size; row++) {
      const below = rows[row] as Float64Array;
      const factor = (below[column] as number) / (top[column] as number);
      for (let each = column; each <= size; each++)
        below[each] = (below[each] as number) - factor * (top[each] as number);
    }
  }
  const solution = new Array<number>(size).fill(0);
  for (let row = size - 1; row >= 0; row--) {
    let rest = cell(rows, row, size);
    for (let each = row + 1; each < size; each++) rest -= cell(rows, row, each) * (solution[each] as number);
    solution[row] = rest / cell(rows, row, row);
  }
  return solution;
}

function cell(rows: readonly Float64Array[], row: number, column: number): number {
  return (rows[row] as Float64Array)[column] as number;
}
