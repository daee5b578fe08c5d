// Columns that grow: typed arrays of which row n holds one number for each thing n.
//
// They grow by a factor of eight. Memory that was never written costs no page, so room to spare is free, while what a copy
// leaves behind is resident until the next garbage collection: an eighth of the column at most, where doubling leaves all of it.

export type Column = Uint8Array | Int32Array | Uint32Array | Float64Array;

/** Rows that a column of `rows` rows has when it has grown once. */
export const grownRows = (rows: number): number => rows * 8;

/** The column with `length` elements, the new ones 0. */
export function grown<T extends Column>(column: T, length: number): T {
  const larger = new (column.constructor as new (length: number) => T)(length);
  larger.set(column);
  return larger;
}
