// The shape of a Patricia (radix) tree of prefixes in typed arrays: which nodes there are, and which hangs below which. What
// prefixes mean is for the tries that lie over it (rib-trie.ts), each with a value for each node of its own: so the RIB and the
// FIB, which know nearly the same prefixes, have one tree of them between them.
//
// A node stands while a trie has a value in it, or while it joins two others; until then it keeps its number. IPv4 and IPv6
// differ in the width of the key alone, in "words" of 32 bits; the argument of an operation lies in `probe`.

import { grown, grownRows } from './columns.ts';

export const NONE = -1;

/** Values of one trie, by node; NONE where it has none. */
export interface TreeLayer {
  value: Int32Array;
}

export class RibTree {
  readonly words: number;
  readonly probe: Uint32Array;
  /** Prefix length of each node. */
  len = new Uint8Array(64);
  root = NONE;
  /**
   * Of each node the words of its prefix, its 0-child and its 1-child, side by side: a walk down a large tree costs a cache
   * miss for each column that it reads of a node.
   */
  #rows: Int32Array;
  readonly #stride: number;
  readonly #layers: TreeLayer[] = [];
  #top = 0;
  /** First node of the free list, linked by `child`. */
  #free = NONE;

  constructor(words: number) {
    this.words = words;
    this.probe = new Uint32Array(words);
    this.#stride = words + 2;
    this.#rows = new Int32Array(64 * this.#stride);
  }

  /** A trie comes to lie over the tree. */
  attach(layer: TreeLayer): void {
    layer.value = new Int32Array(this.len.length).fill(NONE, 0, this.#top);
    this.#layers.push(layer);
  }

  /** Word `w` of the first address of a node's prefix. */
  word(node: number, w: number): number {
    return this.#rows[node * this.#stride + w] >>> 0;
  }

  /** Child of a node on side 0 or 1, or -1. */
  child(node: number, side: number): number {
    return this.#rows[node * this.#stride + this.words + side];
  }

  /** Node of probe/len, made if it is not there. Its bits beyond `len` are ignored. */
  insert(len: number): number {
    this.truncate(len);
    let parent = NONE;
    let side = 0;
    let node = this.root;
    while (node !== NONE) {
      const nodeLen = this.len[node];
      const common = this.common(node, Math.min(len, nodeLen));
      if (common < nodeLen) break;
      if (len === nodeLen) return node;
      parent = node;
      side = this.bit(nodeLen);
      node = this.child(node, side);
    }
    const added = this.#allocate(len);
    let top = added;
    if (node !== NONE) {
      // `node` does not contain the new prefix: it goes below the new one, or both below a joint.
      const common = this.common(node, Math.min(len, this.len[node]));
      const nodeSide = this.#keyBit(node, common);
      if (common < len) {
        this.truncate(common);
        top = this.#allocate(common);
        this.#setChild(top, 1 - nodeSide, added);
      }
      this.#setChild(top, nodeSide, node);
    }
    this.#link(parent, side, top);
    return added;
  }

  /** Takes the node of probe/len out if no trie has a value in it; one that joins two others stays. The node is there. */
  remove(len: number): void {
    this.truncate(len);
    let grand = NONE;
    let grandSide = 0;
    let parent = NONE;
    let side = 0;
    let node = this.root;
    while (this.len[node] < len) {
      grand = parent;
      grandSide = side;
      parent = node;
      side = this.bit(this.len[node]);
      node = this.child(node, side);
    }
    if (this.#isUsed(node)) return;
    const left = this.child(node, 0);
    const right = this.child(node, 1);
    if (left !== NONE && right !== NONE) return;
    const only = left !== NONE ? left : right;
    this.#link(parent, side, only);
    this.#release(node);
    if (only === NONE && parent !== NONE && !this.#isUsed(parent)) {
      // the parent was a joint of two, and has one child left
      this.#link(grand, grandSide, this.child(parent, 1 - side));
      this.#release(parent);
    }
  }

  /** The topmost node that lies within probe/len, or -1: below it stand all prefixes that do. */
  within(len: number): number {
    this.truncate(len);
    let node = this.root;
    while (node !== NONE) {
      const nodeLen = this.len[node];
      if (this.common(node, Math.min(len, nodeLen)) < Math.min(len, nodeLen)) return NONE;
      if (nodeLen >= len) return node;
      node = this.child(node, this.bit(nodeLen));
    }
    return NONE;
  }

  /** Clears the probe's bits from `len` on. */
  truncate(len: number): void {
    for (let w = 0; w < this.words; w++) {
      const keep = len - w * 32;
      if (keep <= 0) this.probe[w] = 0;
      else if (keep < 32) this.probe[w] &= -1 << (32 - keep);
    }
  }

  /** Leading bits that the probe and a node's prefix share, at most `max`. */
  common(node: number, max: number): number {
    const base = node * this.#stride;
    for (let w = 0; w < this.words; w++) {
      const differ = this.probe[w] ^ this.#rows[base + w];
      if (differ !== 0) return Math.min(max, w * 32 + Math.clz32(differ));
    }
    return max;
  }

  /** Bit `i` of the probe. */
  bit(i: number): number {
    return (this.probe[i >>> 5] >>> (31 - (i & 31))) & 1;
  }

  #keyBit(node: number, i: number): number {
    return (this.word(node, i >>> 5) >>> (31 - (i & 31))) & 1;
  }

  #isUsed(node: number): boolean {
    for (const layer of this.#layers) if (layer.value[node] !== NONE) return true;
    return false;
  }

  #setChild(node: number, side: number, child: number): void {
    this.#rows[node * this.#stride + this.words + side] = child;
  }

  #link(parent: number, side: number, node: number): void {
    if (parent === NONE) this.root = node;
    else this.#setChild(parent, side, node);
  }

  #allocate(len: number): number {
    let node = this.#free;
    if (node !== NONE) this.#free = this.child(node, 0);
    else {
      node = this.#top++;
      if (node === this.len.length) this.#grow();
    }
    this.len[node] = len;
    for (const layer of this.#layers) layer.value[node] = NONE;
    this.#setChild(node, 0, NONE);
    this.#setChild(node, 1, NONE);
    for (let w = 0; w < this.words; w++) this.#rows[node * this.#stride + w] = this.probe[w];
    return node;
  }

  #release(node: number): void {
    this.#setChild(node, 0, this.#free);
    this.#free = node;
  }

  #grow(): void {
    const n = grownRows(this.len.length);
    this.len = grown(this.len, n);
    this.#rows = grown(this.#rows, n * this.#stride);
    for (const layer of this.#layers) layer.value = grown(layer.value, n);
  }
}
