// The RIB's prefixes: a Patricia (radix) tree in typed arrays that grow. It is the truth that the FIBs are compiled from,
// and it never sees a packet. A node is a prefix; its value is a number >= 0, or -1 for a node that only joins two others.
//
// IPv4 and IPv6 differ in the width of the key alone, so one tree over "words" of 32 bits serves both; the argument of an
// operation lies in `probe`. Node numbers are valid until the next insert or remove.

const NONE = -1;

abstract class RibTrie {
  /** Bits of an address. */
  readonly bits: number;
  /** Prefix length of each node. */
  len = new Uint8Array(64);
  /** Value of each node, -1 for a joint. */
  value = new Int32Array(64);
  /** Words of each node's prefix: node n has `words` of them from n * words. */
  protected keys: Uint32Array;
  protected readonly words: number;
  protected readonly probe: Uint32Array;
  protected root = NONE;
  /** Children: node n has its 0-child at 2n and its 1-child at 2n + 1. */
  protected child = new Int32Array(128);
  #size = 0;
  #top = 0;
  /** First node of the free list, linked by `child`. */
  #free = NONE;

  constructor(words: number) {
    this.words = words;
    this.bits = words * 32;
    this.probe = new Uint32Array(words);
    this.keys = new Uint32Array(64 * words);
  }

  /** Prefixes with a value. */
  get size(): number {
    return this.#size;
  }

  /** All nodes with a value inside `top`, shorter prefixes first, ascending. The tree must not change meanwhile. */
  *nodes(top = this.root): Generator<number> {
    if (top === NONE) return;
    const stack = [top];
    for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
      if (this.value[node] !== NONE) yield node;
      const left = this.child[2 * node];
      const right = this.child[2 * node + 1];
      if (right !== NONE) stack.push(right);
      if (left !== NONE) stack.push(left);
    }
  }

  /** Sets the value of probe/len; returns the value it had, or -1. */
  protected insertProbe(len: number, value: number): number {
    this.#truncate(len);
    let parent = NONE;
    let side = 0;
    let node = this.root;
    while (node !== NONE) {
      const nodeLen = this.len[node];
      const common = this.#common(node, Math.min(len, nodeLen));
      if (common < nodeLen) break;
      if (len === nodeLen) {
        const old = this.value[node];
        this.value[node] = value;
        if (old === NONE) this.#size++;
        return old;
      }
      parent = node;
      side = this.#bit(nodeLen);
      node = this.child[2 * node + side];
    }
    this.#size++;
    const added = this.#allocate(len, value);
    let top = added;
    if (node !== NONE) {
      // `node` does not contain the new prefix: it goes below the new one, or both below a joint.
      const common = this.#common(node, Math.min(len, this.len[node]));
      const nodeSide = this.#keyBit(node, common);
      if (common < len) {
        this.#truncate(common);
        top = this.#allocate(common, NONE);
        this.child[2 * top + 1 - nodeSide] = added;
      }
      this.child[2 * top + nodeSide] = node;
    }
    this.#link(parent, side, top);
    return NONE;
  }

  /** Takes out probe/len; returns the value it had, or -1. */
  protected removeProbe(len: number): number {
    this.#truncate(len);
    let grand = NONE;
    let grandSide = 0;
    let parent = NONE;
    let side = 0;
    let node = this.root;
    while (node !== NONE && this.len[node] < len && this.#common(node, this.len[node]) === this.len[node]) {
      grand = parent;
      grandSide = side;
      parent = node;
      side = this.#bit(this.len[node]);
      node = this.child[2 * node + side];
    }
    if (node === NONE || this.len[node] !== len || this.#common(node, len) !== len) return NONE;
    const old = this.value[node];
    if (old === NONE) return NONE;
    this.#size--;
    this.value[node] = NONE;
    const left = this.child[2 * node];
    const right = this.child[2 * node + 1];
    if (left !== NONE && right !== NONE) return old; // it stays as a joint
    const only = left !== NONE ? left : right;
    this.#link(parent, side, only);
    this.#release(node);
    if (only === NONE && parent !== NONE && this.value[parent] === NONE) {
      // the parent was a joint of two, and has one child left
      this.#link(grand, grandSide, this.child[2 * parent + 1 - side]);
      this.#release(parent);
    }
    return old;
  }

  /** Node of probe/len, or -1. */
  protected findProbe(len: number): number {
    const node = this.topProbe(len);
    return node !== NONE && this.len[node] === len && this.value[node] !== NONE ? node : NONE;
  }

  /** Node of the longest prefix of at most `maxLen` bits that contains the probe, or -1. */
  protected matchProbe(maxLen: number): number {
    let best = NONE;
    let node = this.root;
    while (node !== NONE) {
      const len = this.len[node];
      if (len > maxLen || this.#common(node, len) < len) break;
      if (this.value[node] !== NONE) best = node;
      if (len === this.bits) break;
      node = this.child[2 * node + this.#bit(len)];
    }
    return best;
  }

  /** The topmost node, joint or not, that lies within probe/len, or -1: below it stand all prefixes that do. */
  protected topProbe(len: number): number {
    this.#truncate(len);
    let node = this.root;
    while (node !== NONE) {
      const nodeLen = this.len[node];
      if (this.#common(node, Math.min(len, nodeLen)) < Math.min(len, nodeLen)) return NONE;
      if (nodeLen >= len) return node;
      node = this.child[2 * node + this.#bit(nodeLen)];
    }
    return NONE;
  }

  /** Whether a prefix longer than `len` lies within probe/len. Every joint has two, so one look suffices. */
  protected hasLongerProbe(len: number): boolean {
    const top = this.topProbe(len);
    if (top === NONE) return false;
    return this.len[top] > len || this.child[2 * top] !== NONE || this.child[2 * top + 1] !== NONE;
  }

  /** Clears the probe's bits from `len` on. */
  #truncate(len: number): void {
    for (let w = 0; w < this.words; w++) {
      const keep = len - w * 32;
      if (keep <= 0) this.probe[w] = 0;
      else if (keep < 32) this.probe[w] &= -1 << (32 - keep);
    }
  }

  /** Leading bits that the probe and a node's prefix share, at most `max`. */
  #common(node: number, max: number): number {
    const base = node * this.words;
    for (let w = 0; w < this.words; w++) {
      const differ = this.probe[w] ^ this.keys[base + w];
      if (differ !== 0) return Math.min(max, w * 32 + Math.clz32(differ));
    }
    return max;
  }

  #bit(i: number): number {
    return (this.probe[i >>> 5] >>> (31 - (i & 31))) & 1;
  }

  #keyBit(node: number, i: number): number {
    return (this.keys[node * this.words + (i >>> 5)] >>> (31 - (i & 31))) & 1;
  }

  #link(parent: number, side: number, node: number): void {
    if (parent === NONE) this.root = node;
    else this.child[2 * parent + side] = node;
  }

  #allocate(len: number, value: number): number {
    let node = this.#free;
    if (node !== NONE) this.#free = this.child[2 * node];
    else {
      node = this.#top++;
      if (node === this.len.length) this.#grow();
    }
    this.len[node] = len;
    this.value[node] = value;
    this.child[2 * node] = NONE;
    this.child[2 * node + 1] = NONE;
    this.keys.set(this.probe, node * this.words);
    return node;
  }

  #release(node: number): void {
    this.value[node] = NONE;
    this.child[2 * node] = this.#free;
    this.#free = node;
  }

  #grow(): void {
    const n = this.len.length * 2;
    const copy = <T extends Uint8Array | Int32Array | Uint32Array>(to: T, from: T): T => {
      to.set(from);
      return to;
    };
    this.len = copy(new Uint8Array(n), this.len);
    this.value = copy(new Int32Array(n), this.value);
    this.child = copy(new Int32Array(n * 2), this.child);
    this.keys = copy(new Uint32Array(n * this.words), this.keys);
  }
}

/** Prefixes of IPv4; a prefix is a u32 and a length, bits beyond the length are ignored. */
export class RibTrie4 extends RibTrie {
  readonly #stack = new Int32Array(64);

  constructor() {
    super(1);
  }

  /** First address of a node's prefix. */
  prefix(node: number): number {
    return this.keys[node];
  }

  insert(prefix: number, len: number, value: number): number {
    this.probe[0] = prefix;
    return this.insertProbe(len, value);
  }

  remove(prefix: number, len: number): number {
    this.probe[0] = prefix;
    return this.removeProbe(len);
  }

  /** Node of exactly this prefix, or -1. */
  find(prefix: number, len: number): number {
    this.probe[0] = prefix;
    return this.findProbe(len);
  }

  /** Node of the longest prefix, of at most `maxLen` bits, that contains the address, or -1. */
  match(addr: number, maxLen = 32): number {
    this.probe[0] = addr;
    return this.matchProbe(maxLen);
  }

  /** Node of the longest prefix shorter than this one that contains it, or -1. */
  cover(prefix: number, len: number): number {
    return this.match(prefix, len - 1);
  }

  /** All nodes with a value within prefix/len, itself included. The tree must not change meanwhile. */
  covered(prefix: number, len: number): Generator<number> {
    this.probe[0] = prefix;
    const top = this.topProbe(len);
    return this.nodes(top);
  }

  hasLonger(prefix: number, len: number): boolean {
    this.probe[0] = prefix;
    return this.hasLongerProbe(len);
  }

  /**
   * Calls `paint` with the first and last address of each range within prefix/len that no longer prefix covers,
   * ascending: what a FIB must change when this prefix changes.
   */
  gaps(prefix: number, len: number, paint: (first: number, last: number) => void): void {
    this.probe[0] = prefix;
    const top = this.topProbe(len);
    const first = this.probe[0];
    const end = first + 2 ** (32 - len);
    let from = first;
    let depth = 0;
    if (top !== NONE) this.#stack[depth++] = top;
    while (depth > 0) {
      const node = this.#stack[--depth];
      if (this.value[node] !== NONE && this.len[node] > len) {
        const start = this.keys[node];
        if (start > from) paint(from, start - 1);
        from = start + 2 ** (32 - this.len[node]);
      } else {
        const left = this.child[2 * node];
        const right = this.child[2 * node + 1];
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
    return this.keys[node * 4 + w];
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
    this.probe[0] = a;
    this.probe[1] = b;
    this.probe[2] = c;
    this.probe[3] = d;
  }
}
