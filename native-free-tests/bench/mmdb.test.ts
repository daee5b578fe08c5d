import { Reader } from 'mmdb-lib';
import { describe, expect, it } from 'vitest';
import { formatIpv4 } from '../../src/addr/ipv4.ts';
import { createPrng } from '../../src/base/prng.ts';
import { mmdbOf } from '../../src/bench/mmdb.ts';
import { generateTable, type RouteTable, trieOf } from '../../src/bench/route-table.ts';

const table = (rows: readonly (readonly [prefix: number, len: number, nextHop: number])[]): RouteTable => ({
  prefix: Uint32Array.from(rows, ([prefix]) => prefix),
  len: Uint8Array.from(rows, ([, len]) => len),
  nextHop: Uint16Array.from(rows, ([, , nextHop]) => nextHop),
});

describe('mmdbOf', () => {
  it('writes what a reader of the format answers: the longest prefix, and nothing outside of all', () => {
    const reader = new Reader<never>(
      mmdbOf(
        table([
          [0x0a000100, 24, 300],
          [0x0a000000, 8, 7],
          [0x0a000101, 32, 65_535],
          [0x80000000, 1, 1],
        ]),
      ),
    );
    const answers = ['10.0.1.1', '10.0.1.2', '10.1.0.0', '11.0.0.0', '127.255.255.255', '128.0.0.0'].map(
      (a) => reader.get(a),
    );
    expect(answers).toEqual([65_535, 300, 7, null, null, 1]);
    expect(reader.metadata).toMatchObject({ binaryFormatMajorVersion: 2, ipVersion: 4, recordSize: 24 });
  });

  it('writes a default route, alone and around others', () => {
    expect(new Reader<never>(mmdbOf(table([[0, 0, 5]]))).get('255.255.255.255')).toBe(5);
    const reader = new Reader<never>(
      mmdbOf(
        table([
          [0xc0000200, 25, 6],
          [0, 0, 5],
        ]),
      ),
    );
    expect([reader.get('192.0.2.127'), reader.get('192.0.2.128')]).toEqual([6, 5]);
  });

  it('answers as the tree of prefixes does for a table with the nesting of a full one', () => {
    const routes = generateTable(20_000, 5);
    const reader = new Reader<never>(mmdbOf(routes));
    const trie = trieOf(routes);
    const random = createPrng(3);
    let found = 0;
    for (let i = 0; i < 5000; i++) {
      const near = routes.prefix[Math.floor(random() * routes.prefix.length)];
      const address = (i % 2 === 0 ? near + random() * 256 : random() * 2 ** 32) >>> 0;
      const node = trie.match(address);
      if (node >= 0) found++;
      expect(reader.get(formatIpv4(address))).toBe(node < 0 ? null : trie.value[node]);
    }
    expect(found).toBeGreaterThan(1000);
  });
});
