import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { generateTable, hostTable, readTable } from '../../src/bench/route-table.ts';

const COUNT = 100_000;

describe('generateTable', () => {
  const table = generateTable(COUNT, 7);
  const key = (prefix: number, len: number): number => prefix * 64 + len;
  const keys = new Set(Array.from(table.prefix, (p, i) => key(p, table.len[i])));

  it('gives the same table for the same seed, and another one for another', () => {
    expect(generateTable(1000, 3)).toEqual(generateTable(1000, 3));
    expect(generateTable(1000, 3).prefix).not.toEqual(generateTable(1000, 4).prefix);
  });

  it('has about as many distinct prefixes as asked for, none with bits behind its length', () => {
    expect(keys.size).toBe(table.prefix.length);
    expect(table.prefix.length).toBeGreaterThan(COUNT * 0.99);
    expect(table.prefix.length).toBeLessThanOrEqual(COUNT * 1.01);
    for (let i = 0; i < table.prefix.length; i++) expect(table.prefix[i] % 2 ** (32 - table.len[i])).toBe(0);
  });

  it('has the lengths and the nesting of a full table', () => {
    const of = (len: number): number => table.len.filter((l) => l === len).length / table.len.length;
    expect(of(24)).toBeCloseTo(0.596, 1);
    expect(of(22)).toBeCloseTo(0.12, 1);
    let nested = 0;
    for (let i = 0; i < table.prefix.length; i++) {
      for (let len = table.len[i] - 1; len >= 8; len--) {
        const around = table.prefix[i] - (table.prefix[i] % 2 ** (32 - len));
        if (!keys.has(key(around, len))) continue;
        nested++;
        break;
      }
    }
    expect(nested / table.prefix.length).toBeGreaterThan(0.4);
    expect(nested / table.prefix.length).toBeLessThan(0.62); // 0.51 in the real one
  });

  it('has next hops as many routers have them', () => {
    expect(Math.min(...table.nextHop.slice(0, 10_000))).toBeGreaterThanOrEqual(1);
    expect(new Set(table.nextHop).size).toBe(200);
  });
});

describe('hostTable', () => {
  it('is a default route and host routes', () => {
    const { prefix, len } = hostTable(100);
    expect([prefix[0], len[0]]).toEqual([0, 0]);
    expect(len.slice(1).every((l) => l === 32)).toBe(true);
    expect(prefix).toHaveLength(101);
  });
});

describe('readTable', () => {
  let dir: string;
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'nearhop-table-'));
  });
  afterAll(() => rmSync(dir, { recursive: true }));
  const file = (text: string | Buffer): string => {
    const path = join(dir, 'table');
    writeFileSync(path, text);
    return path;
  };

  it('reads IPv4 prefixes, plain or gzip, and passes over IPv6', () => {
    const text = '1.0.0.0/24\n2001:db8::/32\n\n192.0.2.0/25\n';
    for (const path of [() => file(text), () => file(gzipSync(text))]) {
      const { prefix, len } = readTable(path());
      expect([...prefix]).toEqual([0x0100_0000, 0xc000_0200]);
      expect([...len]).toEqual([24, 25]);
    }
  });

  it('says which line is no prefix, and when there is none', () => {
    expect(() => readTable(file('1.0.0.0/24\nnot a prefix\n'))).toThrow(
      /table:2: 'not a prefix' is no prefix/,
    );
    expect(() => readTable(file('::/0\n'))).toThrow(/has no IPv4 prefix/);
    expect(() => readTable(join(dir, 'missing'))).toThrow(/cannot read/);
  });
});
