// Where a value of the config stands in the file: from its path (keys and list indexes) to line, column and the line's text.

import type { Document } from 'yaml';
import type { ConfigPath, Place } from './problem.ts';
import { yamlLibrary } from './yaml.ts';

/** What a place is asked for: the value at the path, or the key that the path ends with. */
export type Spot = 'value' | 'key';

export class Locator {
  readonly #file: string;
  readonly #text: string;
  #lineStarts: number[] | undefined;
  readonly #document: Document | undefined;

  constructor(file: string, text: string, document?: Document) {
    this.#file = file;
    this.#text = text;
    this.#document = document;
  }

  /** The file as a whole. */
  whole(): Place {
    return { file: this.#file, line: 0, column: 0, text: '' };
  }

  /** Place of an offset in the text. */
  at(offset: number): Place {
    this.#lineStarts ??= [0, ...[...this.#text.matchAll(/\n/g)].map(({ index }) => index + 1)];
    const starts = this.#lineStarts;
    const clamped = Math.max(0, Math.min(offset, this.#text.length));
    let low = 0;
    for (let high = starts.length; high - low > 1; ) {
      const mid = (low + high) >> 1;
      if (starts[mid] <= clamped) low = mid;
      else high = mid;
    }
    const end = this.#text.indexOf('\n', starts[low]);
    const text = this.#text.slice(starts[low], end < 0 ? undefined : end);
    return { file: this.#file, line: low + 1, column: clamped - starts[low] + 1, text };
  }

  /** Place of the value (or key) at `path`, or of the deepest part of the path that is in the file. */
  of(path: ConfigPath, spot: Spot = 'value'): Place {
    const document = this.#document;
    if (document === undefined) return this.whole();
    const { isAlias, isMap, isNode, isPair, isScalar, isSeq } = yamlLibrary();
    const startOf = (of: unknown): number | undefined => (isNode(of) ? of.range?.[0] : undefined);
    const keyOf = (key: unknown): string | undefined => (isScalar(key) ? String(key.value) : undefined);
    let node: unknown = document.contents;
    let offset = startOf(node);
    for (const [depth, step] of path.entries()) {
      const container = isAlias(node) ? node.resolve(document) : node;
      if (isMap(container)) {
        const pair = container.items.find((item) => keyOf(item.key) === String(step));
        if (pair === undefined) break;
        const atKey = startOf(pair.key);
        node = pair.value;
        offset = spot === 'key' && depth === path.length - 1 ? atKey : (startOf(node) ?? atKey);
      } else if (isSeq(container)) {
        const item = container.items[Number(step)];
        if (item === undefined) break;
        node = isPair(item) ? item.value : item;
        offset = startOf(node) ?? offset;
      } else break;
    }
    return offset === undefined ? this.whole() : this.at(offset);
  }
}
