// The RIB's routes as rows of columns: 17 bytes each, where an object with what hangs on it took several hundred. The routes to
// one prefix are a chain, the best ones in front; the prefix's node in the RIB's trie has the number of the first row.

import { grown, grownRows } from '../tables/columns.ts';

const NONE = -1;
/** Node of a row that is free. */
const FREE = -1;

export class CandidateRows {
  /** Node of the prefix, FREE for a row that is free. */
  node = new Int32Array(64);
  /** Next row of the same prefix, -1 for the last one; of a free row, the next free one. */
  next = new Int32Array(64);
  /** Number of its kind (rib-kinds.ts). */
  kind = new Int32Array(64);
  /** When it came, seconds since the Unix epoch. */
  since = new Uint32Array(64);
  /** 1 for those that packets follow. */
  best = new Uint8Array(64);
  #top = 0;
  #free = NONE;
  #size = 0;

  /** Rows in use. */
  get size(): number {
    return this.#size;
  }

  /** Rows in use are below this. */
  get top(): number {
    return this.#top;
  }

  /** A row at the end of its chain, not best. */
  take(node: number, kind: number, wallMs: number): number {
    let row = this.#free;
    if (row !== NONE) this.#free = this.next[row];
    else {
      row = this.#top++;
      if (row === this.node.length) this.#grow();
    }
    this.node[row] = node;
    this.next[row] = NONE;
    this.best[row] = 0;
    this.set(row, kind, wallMs);
    this.#size++;
    return row;
  }

  /** The route of a row is replaced by another one. */
  set(row: number, kind: number, wallMs: number): void {
    this.kind[row] = kind;
    this.since[row] = Math.floor(wallMs / 1000);
  }

  /** Gives a row back that is in no chain any more. */
  free(row: number): void {
    this.node[row] = FREE;
    this.next[row] = this.#free;
    this.#free = row;
    this.#size--;
  }

  /** Rows of the chain from `head` on, in an array of its own. */
  chain(head: number): number[] {
    const rows: number[] = [];
    for (let row = head; row !== NONE; row = this.next[row]) rows.push(row);
    return rows;
  }

  /** Makes these rows a chain in this order, the first `best` of them best; returns its first row, -1 when there is none. */
  link(rows: readonly number[], best: number): number {
    for (let i = 0; i < rows.length; i++) {
      this.next[rows[i]] = i + 1 < rows.length ? rows[i + 1] : NONE;
      this.best[rows[i]] = i < best ? 1 : 0;
    }
    return rows.length > 0 ? rows[0] : NONE;
  }

  /** Nodes of the rows whose kind has a flag, one for each such row. A prefix must not come or go meanwhile. */
  *nodesOf(flags: Uint8Array): Generator<number> {
    for (let row = 0; row < this.#top; row++) {
      if (this.node[row] !== FREE && flags[this.kind[row]] !== 0) yield this.node[row];
    }
  }

  #grow(): void {
    const n = grownRows(this.node.length);
    this.node = grown(this.node, n);
    this.next = grown(this.next, n);
    this.kind = grown(this.kind, n);
    this.since = grown(this.since, n);
    this.best = grown(this.best, n);
  }
}
