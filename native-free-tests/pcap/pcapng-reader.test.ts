import { describe, expect, it } from 'vitest';
import { NearhopError } from '../../src/base/errors.ts';
import { testFrame } from '../conformance/port-suite.ts';
import {
  block,
  enhancedPacket,
  type InterfaceVariant,
  interfaceBlock,
  joinBytes,
  oldPacket,
  option,
  readAll,
  readerOver,
  sectionHeader,
  simplePacket,
  words,
} from './capture-builder.ts';

const read = (...parts: Uint8Array[]): ReturnType<typeof readAll> => readAll(readerOver(joinBytes(parts)));
const faultOf = (...parts: Uint8Array[]): NearhopError => {
  try {
    read(...parts);
  } catch (error) {
    if (error instanceof NearhopError) return error;
    throw error;
  }
  throw new Error('no fault');
};

describe('PcapngReader', () => {
  for (const little of [true, false]) {
    it(`reads enhanced, simple and old packet blocks, ${little ? 'little' : 'big'}-endian`, () => {
      const us = 1_700_000_000_123_456n;
      const frames = [61, 62, 63].map((len, i) => testFrame(i, len));
      const parts = [
        sectionHeader(little, option(little, 1, new TextEncoder().encode('made by a test'))),
        interfaceBlock(little),
        enhancedPacket(little, 0, us, frames[0]),
        block(little, 5, new Uint8Array(40)), // interface statistics
        simplePacket(little, frames[1]),
        block(little, 0xbad, new Uint8Array(1000)), // unknown
        oldPacket(little, 0, us + 5n, frames[2]),
      ];
      const expected = [us, us, us + 5n].map((t, i) => ({
        bytes: frames[i],
        timeNs: t * 1000n,
        wireLen: frames[i].length,
      }));
      expect(read(...parts)).toEqual(expected);
      expect(readAll(readerOver(joinBytes(parts), 3))).toEqual(expected);
    });
  }

  it('keeps the clock of each interface', () => {
    const at = 1_700_000_000n;
    const clocks: [InterfaceVariant, bigint, bigint][] = [
      [{}, at * 1_000_000n + 123_456n, 123_456_000n],
      [{ tsresol: 9 }, at * 1_000_000_000n + 123_456_789n, 123_456_789n],
      [{ tsresol: 3 }, at * 1000n + 123n, 123_000_000n],
      [{ tsresol: 0 }, at, 0n],
      [{ tsresol: 0x80 | 10 }, at * 1024n + 512n, 500_000_000n],
      [{ tsresol: 0x80 | 32 }, (at << 32n) + (1n << 30n), 250_000_000n],
      [{ tsresol: 6, tsoffset: -3600 }, (at + 3600n) * 1_000_000n + 7n, 7000n],
    ];
    const got = read(
      sectionHeader(true),
      ...clocks.map(([variant]) => interfaceBlock(true, variant)),
      ...clocks.map(([, units], i) => enhancedPacket(true, i, units, testFrame(i, 60))),
    );
    expect(got.map((f) => f.timeNs - at * 1_000_000_000n)).toEqual(clocks.map(([, , ns]) => ns));
  });

  it('starts anew with each section: byte order, interfaces, clocks', () => {
    const got = read(
      sectionHeader(true),
      interfaceBlock(true, { tsresol: 9 }),
      enhancedPacket(true, 0, 5n, testFrame(0, 60)),
      sectionHeader(false),
      interfaceBlock(false, { tsresol: 3 }),
      enhancedPacket(false, 0, 5n, testFrame(1, 60)),
    );
    expect(got.map((f) => f.timeNs)).toEqual([5n, 5_000_000n]);
    expect(got.map((f) => f.bytes)).toEqual([testFrame(0, 60), testFrame(1, 60)]);
    const fault = faultOf(
      sectionHeader(true),
      interfaceBlock(true),
      sectionHeader(true),
      enhancedPacket(true, 0, 5n, testFrame(1, 60)),
    );
    expect(fault.message).toContain('interface 0 is not described in this section');
  });

  it('refuses only packets of interfaces that are not Ethernet', () => {
    const parts = [
      sectionHeader(true),
      interfaceBlock(true, { linkType: 113 }),
      interfaceBlock(true),
      enhancedPacket(true, 1, 0n, testFrame(0, 60)),
    ];
    expect(read(...parts)).toHaveLength(1);
    const fault = faultOf(...parts, enhancedPacket(true, 0, 0n, testFrame(1, 60)));
    expect(fault.code).toBe('capture-link-type');
    expect(fault.message).toMatch(/packet 2 at byte \d+: not an Ethernet capture \(Linux cooked \(SLL\)/);
  });

  it('cuts a simple packet at the snaplen and reports both lengths', () => {
    const frame = testFrame(0, 100);
    const [got] = read(
      sectionHeader(true),
      interfaceBlock(true, { snaplen: 100 }),
      simplePacket(true, frame, 1514),
    );
    expect(got).toEqual({ bytes: frame, timeNs: 0n, wireLen: 1514 });
  });

  it('takes off the FCS that if_fcslen announces, in bytes or in bits', () => {
    for (const fcslen of [4, 32]) {
      const [got] = read(
        sectionHeader(true),
        interfaceBlock(true, { fcslen }),
        enhancedPacket(true, 0, 0n, testFrame(0, 64)),
      );
      expect(got.bytes).toEqual(testFrame(0, 64).slice(0, 60));
    }
  });

  it('passes over blocks that are larger than its window', () => {
    const huge = new Uint8Array((3 << 20) + 8);
    huge.set(words(true, [32, 0xbad], [32, huge.length]));
    huge.set(words(true, [32, huge.length]), huge.length - 4);
    const reader = readerOver(
      Uint8Array.from(
        Buffer.concat([
          sectionHeader(true),
          huge,
          interfaceBlock(true),
          enhancedPacket(true, 0, 0n, testFrame(3, 60)),
        ]),
      ),
      1 << 16,
    );
    expect(readAll(reader).map((f) => f.bytes)).toEqual([testFrame(3, 60)]);
  });

  it('names what is wrong with block lengths', () => {
    const odd = enhancedPacket(true, 0, 0n, testFrame(0, 60));
    odd[4] += 1;
    expect(faultOf(sectionHeader(true), interfaceBlock(true), odd).message).toContain('not a multiple of 4');
    const unequal = enhancedPacket(true, 0, 0n, testFrame(0, 60));
    unequal[unequal.length - 4] += 4;
    expect(faultOf(sectionHeader(true), interfaceBlock(true), unequal).message).toMatch(
      /block length \d+ at its head, \d+ at its end/,
    );
    const long = enhancedPacket(true, 0, 0n, testFrame(0, 60));
    new DataView(long.buffer).setUint32(8 + 12, 400, true);
    expect(faultOf(sectionHeader(true), interfaceBlock(true), long).message).toContain(
      'captured length 400 is above the',
    );
    const huge = words(true, [32, 6], [32, 0x7ffffffc]);
    expect(faultOf(sectionHeader(true), interfaceBlock(true), huge).message).toContain('is above 524288');
    const short = block(true, 6, new Uint8Array(12));
    expect(faultOf(sectionHeader(true), interfaceBlock(true), short).message).toContain('too short');
  });

  it('refuses an option that runs over its block, and a clock of no use', () => {
    const body = joinBytes([words(true, [16, 1], [16, 0], [32, 0], [16, 2], [16, 400]), new Uint8Array(8)]);
    expect(faultOf(sectionHeader(true), block(true, 1, body)).message).toContain('option 2 runs over');
    expect(faultOf(sectionHeader(true), interfaceBlock(true, { tsresol: 77 })).message).toContain(
      'if_tsresol',
    );
  });

  it('says where a truncated file ends', () => {
    const packet = enhancedPacket(true, 0, 0n, testFrame(0, 60));
    const head = joinBytes([sectionHeader(true), interfaceBlock(true)]);
    for (const keep of [5, 20, packet.length - 1]) {
      const fault = faultOf(head, packet.slice(0, keep));
      expect(fault.code).toBe('capture-truncated');
      expect(fault.message).toContain(`packet 1 at byte ${head.length}`);
    }
    expect(faultOf(head, block(true, 0xbad, new Uint8Array(100)).slice(0, 60)).message).toContain(
      '60 of 112 bytes',
    );
    expect(faultOf(sectionHeader(true).slice(0, 14)).code).toBe('capture-truncated');
  });

  it('refuses other versions and byte-order magics', () => {
    const version = sectionHeader(true);
    version[12] = 2;
    expect(faultOf(version).code).toBe('capture-version');
    const magic = sectionHeader(true);
    magic[8] = 0;
    expect(faultOf(magic).message).toContain('byte-order magic');
  });
});
