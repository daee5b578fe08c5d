// Prefixes of both families with a number each, in tries (tables/rib-trie.ts): a few bytes a prefix, where a Map with an object
// took some 200.

import type { Ipv6 } from '../../addr/ipv6.ts';
import { RibTrie4, RibTrie6 } from '../../tables/rib-trie.ts';
import type { Family, Nlri } from './nlri.ts';

export class NlriTable {
  readonly #ipv4: RibTrie4;
  readonly #ipv6 = new RibTrie6();

  /** @param over a trie whose tree the IPv4 prefixes are laid over; absent: a tree of their own. */
  constructor(over?: RibTrie4) {
    this.#ipv4 = new RibTrie4(over);
  }

  /** Prefixes of a family. */
  size(family: Family): number {
    return family === 'ipv4' ? this.#ipv4.size : this.#ipv6.size;
  }

  /** The number of a prefix, -1 when it has none. */
  get({ prefix, len }: Nlri): number {
    const trie = typeof prefix === 'number' ? this.#ipv4 : this.#ipv6;
    const node = typeof prefix === 'number' ? this.#ipv4.find(prefix, len) : this.#ipv6.find(...prefix, len);
    return node < 0 ? -1 : trie.value[node];
  }

  /** Gives a prefix a number >= 0. */
  set({ prefix, len }: Nlri, value: number): void {
    if (typeof prefix === 'number') this.#ipv4.insert(prefix, len, value);
    else this.#ipv6.insert(...prefix, len, value);
  }

  delete({ prefix, len }: Nlri): void {
    if (typeof prefix === 'number') this.#ipv4.remove(prefix, len);
    else this.#ipv6.remove(...prefix, len);
  }

  /** All prefixes with their numbers, IPv4 first, ascending. No prefix may come or go meanwhile. */
  *entries(): Generator<readonly [nlri: Nlri, value: number]> {
    const [v4, v6] = [this.#ipv4, this.#ipv6];
    for (const node of v4.nodes()) {
      yield [{ family: 'ipv4', prefix: v4.prefix(node), len: v4.len[node] }, v4.value[node]];
    }
    for (const node of v6.nodes()) {
      const prefix: Ipv6 = [v6.word(node, 0), v6.word(node, 1), v6.word(node, 2), v6.word(node, 3)];
      yield [{ family: 'ipv6', prefix, len: v6.len[node] }, v6.value[node]];
    }
  }
}
