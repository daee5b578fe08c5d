// What the RIB knows, in columns: prefixes are nodes of a trie, and by node stand the first of its rows (rib-candidates.ts), which
// is the trie's value, and the path list that its best routes have together. Objects are made of it when somebody asks.

import { grown } from '../tables/columns.ts';
import { RibTrie4 } from '../tables/rib-trie.ts';
import { CandidateRows } from './rib-candidates.ts';
import { type RouteKind, RouteKinds } from './rib-kinds.ts';
import { NextHopTracker, type RouteTree, type TrackedList } from './rib-next-hops.ts';
import type { Candidate, FibSlot, RibEntry, RibRoute, RibRow, RibSink, RouteSource } from './rib-route.ts';

export class RibTable implements RouteTree {
  readonly trie: RibTrie4;
  readonly rows = new CandidateRows();
  readonly hops = new NextHopTracker(this);
  readonly kinds = new RouteKinds(this.hops);
  sink: RibSink | undefined;
  /** Index of each node's path list, 0 while it has no active route. */
  #list = new Int32Array(64);

  constructor(over: RibTrie4 | undefined) {
    this.trie = new RibTrie4(over);
  }

  /** Puts a route beside the others to its prefix, not best; returns its node. */
  append(prefix: number, len: number, kind: RouteKind, wallMs: number): number {
    let node = this.trie.find(prefix, len);
    if (node < 0) {
      this.trie.insert(prefix, len, 0);
      node = this.trie.find(prefix, len);
      if (node >= this.#list.length) this.#list = grown(this.#list, this.trie.value.length);
      this.#list[node] = 0;
      this.trie.value[node] = this.rows.take(node, kind.index, wallMs);
    } else {
      let last = this.trie.value[node];
      while (this.rows.next[last] >= 0) last = this.rows.next[last];
      this.rows.next[last] = this.rows.take(node, kind.index, wallMs);
    }
    return node;
  }

  /** Row of a source's route among those of a node, -1 when it has none. */
  rowOf(node: number, source: RouteSource, key: string): number {
    let row = node < 0 ? -1 : this.trie.value[node];
    for (; row >= 0; row = this.rows.next[row]) {
      const kind = this.kindOf(row);
      if (kind.source === source && kind.key === key) return row;
    }
    return -1;
  }

  kindOf(row: number): RouteKind {
    return this.kinds.at(this.rows.kind[row]);
  }

  /** First of the best rows of a node, -1 when no route is active. */
  bestOf(node: number): number {
    const row = this.trie.value[node];
    return row >= 0 && this.rows.best[row] === 1 ? row : -1;
  }

  match(addr: number, maxLen: number): number {
    return this.trie.match(addr, maxLen);
  }

  len(node: number): number {
    return this.trie.len[node];
  }

  list(node: number): TrackedList | undefined {
    return this.hops.at(this.#list[node]);
  }

  setList(node: number, list: TrackedList | undefined): void {
    this.#list[node] = list?.index ?? 0;
  }

  isBgp(node: number): boolean {
    return this.kindOf(this.trie.value[node]).source === 'bgp';
  }

  /** The node's prefix and its routes as an object. */
  entry(node: number): RibEntry {
    return new Entry(this, node);
  }

  /** A route of a kind to a node's prefix. */
  route(node: number, { source, key, list, distance, metric, attributes }: RouteKind): RibRoute {
    const prefix = this.trie.prefix(node);
    return {
      source,
      key,
      prefix,
      len: this.len(node),
      nextHops: list.nextHops,
      distance,
      metric,
      attributes,
    };
  }

  candidate(row: number): Candidate {
    const kind = this.kindOf(row);
    const { key, distance, metric, list } = kind;
    const route = this.route(this.rows.node[row], kind);
    return { route, key, distance, metric, sinceMs: this.rows.since[row] * 1000, list };
  }

  /** Lines of `show routes` for a node, the best first. */
  *lines(node: number): Generator<RibRow> {
    const entry = this.entry(node);
    const { prefix, len, fibError } = entry;
    const installed = entry.installed !== undefined && fibError === '';
    for (const row of this.rows.chain(this.trie.value[node])) {
      const { source, key, distance, metric, list } = this.kindOf(row);
      const best = this.rows.best[row] === 1;
      yield {
        prefix,
        len,
        source,
        key,
        distance,
        metric,
        nextHops: list.nextHops,
        paths: list.paths,
        sinceMs: this.rows.since[row] * 1000,
        best,
        installed: best && installed,
        reason: best ? fibError : list.paths.length === 0 ? list.why : 'another route is better',
      };
    }
  }
}

class Entry implements RibEntry {
  readonly prefix: number;
  readonly len: number;
  readonly #table: RibTable;
  readonly #node: number;

  constructor(table: RibTable, node: number) {
    this.#table = table;
    this.#node = node;
    this.prefix = table.trie.prefix(node);
    this.len = table.len(node);
  }

  get candidates(): readonly Candidate[] {
    const { rows, trie } = this.#table;
    return rows.chain(trie.value[this.#node]).map((row) => this.#table.candidate(row));
  }

  get best(): readonly Candidate[] {
    const { rows, trie } = this.#table;
    const best = rows.chain(trie.value[this.#node]).filter((row) => rows.best[row] === 1);
    return best.map((row) => this.#table.candidate(row));
  }

  get list(): TrackedList | undefined {
    return this.#table.list(this.#node);
  }

  get installed(): FibSlot | undefined {
    return this.#table.sink?.installed(this.prefix, this.len);
  }

  get fibError(): string {
    return this.#table.sink?.fibError(this.prefix, this.len) ?? '';
  }
}
