// Tries: prefixes with a value each, over a tree of nodes (rib-tree.ts). The FIB's is the truth that its layouts are compiled
// from, the RIB's says where the routes to a prefix are; neither sees a packet. A value is a number >= 0, or -1 at a node
// that is another trie's, or only joins two others. A node keeps its number while it has a value.

import { NONE, RibTree, type TreeLayer } from './rib-tree.ts';

abstract class RibTrie implements TreeLayer {
  /** Value of each node, -1 for none. */
  value = new Int32Array(0);
  readonly tree: RibTree;
  readonly #path = new Int32Array(129);
  #size = 0;

  /** Without `tree`, over one of its own. */
  constructor(words: number, tree = new RibTree(words)) {
    this.tree = tree;
    tree.attach(this);
  }

  /** Prefixes with a value. */
  get size(): number {
    return this.#size;
  }

  /** Prefix length of each node. */
  get len(): Uint8Array {
    return this.tree.len;
  }

  /** All nodes with a value inside `top`, shorter prefixes first, ascending. The tree must not change meanwhile. */
  *nodes(top = this.tree.root): Generator<number> {
    if (top === NONE) return;
    const { tree } = this;
    const stack = [top];
    for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
      if (this.value[node] !== NONE) yield node;
      const left = tree.child(node, 0);
      const right = tree.child(node, 1);
      if (right !== NONE) stack.push(right);
      if (left !== NONE) stack.push(left);
    }
  }

  /** Sets the value of probe/len; returns the value it had, or -1. */
  protected insertProbe(len: number, value: number): number {
    const node = this.tree.insert(len);
    const old = this.value[node];
    this.value[node] = value;
    if (old === NONE) this.#size++;
    return old;
  }

  /** Takes out probe/len; returns the value it had, or -1. */
  protected removeProbe(len: number): number {
    const node = this.findProbe(len);
    if (node === NONE) return NONE;
    const old = this.value[node];
    this.#size--;
    this.value[node] = NONE;
    this.tree.remove(len);
    return old;
  }

  /** Node of probe/len, or -1. */
  protected findProbe(len: number): number {
    const node = this.tree.within(len);
    return node !== NONE && this.len[node] === len && this.value[node] !== NONE ? node : NONE;
  }

  /** Node of the longest prefix of at most `maxLen` bits that contains the probe, or -1. */
  protected matchProbe(maxLen: number): number {
    const { tree } = this;
    const bits = tree.words * 32;
    let depth = 0;
    let node = tree.root;
    while (node !== NONE) {
      const len = tree.len[node];
      if (len > maxLen || tree.common(node, len) < len) break;
      this.#path[depth++] = node;
      if (len === bits) break;
      node = tree.child(node, tree.bit(len));
    }
    // From the end, where it mostly is: the other values on the way would be so many cache misses.
    while (depth > 0) {
      node = this.#path[--depth];
      if (this.value[node] !== NONE) return node;
    }
    return NONE;
  }

  /** Whether a prefix longer than `len` lies within probe/len. In a tree of one trie, every leaf has a value: few looks suffice. */
  protected hasLongerProbe(len: number): boolean {
    const top = this.tree.within(len);
    return top !== NONE && this.#hasLonger(top, len);
  }

  #hasLonger(node: number, len: number): boolean {
    if (this.tree.len[node] > len && this.value[node] !== NONE) return true;
    const left = this.tree.child(node, 0);
    const right = this.tree.child(node, 1);
    return (left !== NONE && this.#hasLonger(left, len)) || (right !== NONE && this.#hasLonger(right, len));
  }
}

/** Prefixes of IPv4; a prefix is a u32 and a length, bits beyond the length are ignored. */
export class RibTrie4 extends RibTrie {
  readonly #stack = new Int32Array(64);

  /** @param over a trie whose tree this one shares; its own values stay its own. */
  constructor(over?: RibTrie4) {
    super(1, over?.tree);
  }

  /** First address of a node's prefix. */
  prefix(node: number): number {
    return this.tree.word(node, 0);
  }

  insert(prefix: number, len: number, value: number): number {
    this.tree.probe[0] = prefix;
    return this.insertProbe(len, value);
  }

  remove(prefix: number, len: number): number {
    this.tree.probe[0] = prefix;
    return this.removeProbe(len);
  }

  /** Node of exactly this prefix, or -1. */
  find(prefix: number, len: number): number {
    this.tree.probe[0] = prefix;
    return this.findProbe(len);
  }

  /** Node of the longest prefix, of at most `maxLen` bits, that contains the address, or -1. */
  match(addr: number, maxLen = 32): number {
    this.tree.probe[0] = addr;
    return this.matchProbe(maxLen);
  }

  /** Node of the longest prefix shorter than this one that contains it, or -1. */
  cover(prefix: number, len: number): number {
    return this.match(prefix, len - 1);
  }

  /** All nodes with a value within prefix/len, itself included. The tree must not change meanwhile. */
  covered(prefix: number, len: number): Generator<number> {
    this.tree.probe[0] = prefix;
    const top = this.tree.within(len);
    return this.nodes(top);
  }

  hasLonger(prefix: number, len: number): boolean {
    this.tree.probe[0] = prefix;
    return this.hasLongerProbe(len);
  }

  /**
   * Calls `paint` with the first and last address of each range within prefix/len that no longer prefix covers,
   * ascending: what a FIB must change when this prefix changes.
   */
  gaps(prefix: number, len: number, paint: (first: number, last: number) => void): void {
    this.tree.probe[0] = prefix;
    if (len === 32) {
      paint(this.tree.probe[0], this.tree.probe[0]);
      return;
    }
    const top = this.tree.within(len);
    const first = this.tree.probe[0];
    const end = first + 2 ** (32 - len);
    let from = first;
    let depth = 0;
    if (top !== NONE) this.#stack[depth++] = top;
    while (depth > 0) {
      const node = this.#stack[--depth];
      if (this.value[node] !== NONE && this.len[node] > len) {
        const start = this.tree.word(node, 0);
        if (start > from) paint(from, start - 1);
        from = start + 2 ** (32 - this.len[node]);
      } else {
        const left = this.tree.child(node, 0);
        const right = this.tree.child(node, 1);
        if (right !== NONE) this.#stack[depth++] = right;
        if (left !== NONE) this.#stack[depth++] = left;
      }
    }
    if (from < end) paint(from, end - 1);
  }
}

/** Prefixes of IPv6; a prefix is four u32 and a length, bits beyond the length are ignored. */
export class RibTrie6 extends RibTrie {
  constructor() {
    super(4);
  }

  /** Word 0 to 3 of the first address of a node's prefix. */
  word(node: number, w: number): number {
    return this.tree.word(node, w);
  }

  insert(a: number, b: number, c: number, d: number, len: number, value: number): number {
    this.#set(a, b, c, d);
    return this.insertProbe(len, value);
  }

  remove(a: number, b: number, c: number, d: number, len: number): number {
    this.#set(a, b, c, d);
    return this.removeProbe(len);
  }

  /** Node of exactly this prefix, or -1. */
  find(a: number, b: number, c: number, d: number, len: number): number {
    this.#set(a, b, c, d);
    return this.findProbe(len);
  }

  /** Node of the longest prefix, of at most `maxLen` bits, that contains the address, or -1. */
  match(a: number, b: number, c: number, d: number, maxLen = 128): number {
    this.#set(a, b, c, d);
    return this.matchProbe(maxLen);
  }

  /** Node of the longest prefix shorter than this one that contains it, or -1. */
  cover(a: number, b: number, c: number, d: number, len: number): number {
    return this.match(a, b, c, d, len - 1);
  }

  #set(a: number, b: number, c: number, d: number): void {
    this.tree.probe[0] = a;
    this.tree.probe[1] = b;
    this.tree.probe[2] = c;
    this.tree.probe[3] = d;
  }
}
