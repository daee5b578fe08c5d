import { describe, expect, it } from 'vitest';
import { NearhopError } from '../../src/base/errors.ts';
import { testFrame } from '../conformance/port-suite.ts';
import { type BuiltFrame, buildPcap, readAll, readerOver } from './capture-builder.ts';

const FRAMES: BuiltFrame[] = [60, 61, 1514, 0, 300].map((len, i) => ({
  bytes: len < 18 ? new Uint8Array(len) : testFrame(i, len),
  timeNs: 1_700_000_000_000_000_000n + BigInt(i) * 1_234_567_000n,
}));
const EXPECTED = FRAMES.map((f) => ({ bytes: f.bytes, timeNs: f.timeNs, wireLen: f.bytes.length }));

const faultOf = (read: () => unknown): NearhopError => {
  try {
    read();
  } catch (error) {
    if (error instanceof NearhopError) return error;
    throw error;
  }
  throw new Error('no fault');
};
const readBytes = (bytes: Uint8Array): unknown => readAll(readerOver(bytes));

describe('PcapReader', () => {
  for (const little of [true, false]) {
    for (const nanoseconds of [true, false]) {
      const variant = { little, nanoseconds };
      it(`reads ${little ? 'little' : 'big'}-endian ${nanoseconds ? 'nano' : 'micro'}seconds`, () => {
        expect(readAll(readerOver(buildPcap(FRAMES, variant)))).toEqual(EXPECTED);
      });
    }
  }

  it('keeps single nanoseconds of a nanosecond capture', () => {
    const frames = [{ bytes: testFrame(1, 60), timeNs: 1_700_000_000_999_999_999n }];
    expect(readAll(readerOver(buildPcap(frames, { nanoseconds: true })))[0].timeNs).toBe(frames[0].timeNs);
  });

  it('reads chunks of any size, down to a byte', () => {
    const bytes = buildPcap(FRAMES);
    for (const chunk of [1, 2, 7, 23, 25, 1500]) expect(readAll(readerOver(bytes, chunk))).toEqual(EXPECTED);
  });

  it('goes through a capture larger than its window', () => {
    const many = Array.from({ length: 2500 }, (_, i) => ({
      bytes: testFrame(i, 1000),
      timeNs: BigInt(i) * 1000n,
    }));
    const bytes = buildPcap(many);
    expect(bytes.length).toBeGreaterThan(2 << 20);
    const reader = readerOver(bytes, 99_991);
    for (let i = 0; reader.next(); i++) {
      expect(reader.view.getUint32(reader.off + 14)).toBe(i);
      expect(reader.len).toBe(1000);
      expect(reader.timeMs * 1e6 + reader.timeNs).toBe(i * 1000);
    }
    expect(reader.packets).toBe(2500);
  });

  it('reports a frame that was cut short by its two lengths', () => {
    const cut = { bytes: testFrame(1, 96), timeNs: 0n, wireLen: 1514 };
    const reader = readerOver(buildPcap([cut]));
    expect(reader.next()).toBe(true);
    expect([reader.len, reader.wireLen]).toEqual([96, 1514]);
  });

  it('takes off the FCS that the link type announces', () => {
    const linkField = (0x24000000 | 1) >>> 0; // P bit, two 16-bit words
    const bytes = testFrame(1, 64);
    const [frame] = readAll(readerOver(buildPcap([{ bytes, timeNs: 0n }], { linkField })));
    expect(frame.bytes).toEqual(bytes.slice(0, 60));
    expect(frame.wireLen).toBe(60);
  });

  it('reads a capture without packets as one without packets', () => {
    expect(readAll(readerOver(buildPcap([])))).toEqual([]);
  });

  it('hands out the whole packets of a truncated file and then says where it ends', () => {
    const bytes = buildPcap(FRAMES.slice(0, 2));
    const reader = readerOver(bytes.slice(0, -10));
    expect(reader.next()).toBe(true);
    const fault = faultOf(() => reader.next());
    expect(fault.code).toBe('capture-truncated');
    expect(fault.message).toBe(
      'test.pcap: packet 2 at byte 100: the file ends inside the packet: 51 of 61 bytes are there',
    );
    expect(fault.hint).toContain('editcap');
  });

  it('says where a file ends inside a record header, and inside the file header', () => {
    const bytes = buildPcap(FRAMES.slice(0, 1));
    expect(faultOf(() => readBytes(bytes.slice(0, 24 + 9))).message).toBe(
      'test.pcap: packet 1 at byte 24: the file ends inside a record header',
    );
    expect(faultOf(() => readBytes(bytes.slice(0, 20))).code).toBe('capture-truncated');
  });

  it('refuses a captured length above the snaplen, and one beyond any frame', () => {
    const above = faultOf(() => readBytes(buildPcap(FRAMES, { snaplen: 1000 })));
    expect(above.code).toBe('capture-snaplen-exceeded');
    expect(above.message).toContain('packet 3 at byte 177');
    const bytes = buildPcap(FRAMES, { snaplen: 0 });
    new DataView(bytes.buffer).setUint32(24 + 8, 0x7fffffff, true);
    expect(faultOf(() => readBytes(bytes)).code).toBe('capture-corrupt');
  });

  it('reads a frame of the greatest length', () => {
    const bytes = testFrame(1, 262_144);
    expect(readAll(readerOver(buildPcap([{ bytes, timeNs: 0n }], { snaplen: 0 })))[0].bytes).toEqual(bytes);
  });

  it.each([
    [101, 'raw IP (RAW), link type 101'],
    [113, 'Linux cooked (SLL), link type 113'],
    [276, 'Linux cooked v2 (SLL2), link type 276'],
    [9999, 'unknown, link type 9999'],
  ])('names link type %i in its refusal', (linkField, name) => {
    const fault = faultOf(() => readBytes(buildPcap(FRAMES, { linkField })));
    expect(fault.code).toBe('capture-link-type');
    expect(fault.message).toContain(name);
    expect(fault.hint).toContain('capture on');
  });

  it('refuses other versions', () => {
    const bytes = buildPcap(FRAMES);
    bytes[6] = 3;
    expect(faultOf(() => readBytes(bytes)).message).toContain('pcap version 2.3');
  });
});
