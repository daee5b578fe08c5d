import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BgpError } from '../../../src/routing/bgp/error.ts';
import { MessageReader } from '../../../src/routing/bgp/framing.ts';
import { HEADER_LEN } from '../../../src/routing/bgp/message.ts';
import { message, toHex } from './bytes.ts';

const collect = (): { reader: MessageReader; got: string[] } => {
  const got: string[] = [];
  const reader = new MessageReader((type, body) => {
    got.push(`${type} ${toHex(body)}`);
    return true;
  });
  return { reader, got };
};

const messages = fc.array(
  fc.oneof(
    fc.constant(message(4, new Uint8Array(0))),
    fc.uint8Array({ minLength: 4, maxLength: 200 }).map((body) => message(2, body)),
    fc.uint8Array({ minLength: 4, maxLength: 4077 }).map((body) => message(2, body)),
  ),
  { maxLength: 12 },
);

describe('MessageReader.push', () => {
  it('hands out the same messages whatever pieces the stream comes in', () => {
    fc.assert(
      fc.property(messages, fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1 }), (sent, cuts) => {
        const stream = Buffer.concat(sent);
        const { reader, got } = collect();
        for (let off = 0, i = 0; off < stream.length; i++) {
          const size = cuts[i % cuts.length];
          reader.push(stream.subarray(off, off + size));
          off += size;
        }
        expect(got).toEqual(sent.map((m) => `${m[18]} ${toHex(m.subarray(HEADER_LEN))}`));
        expect(reader.keptBytes).toBe(0);
      }),
      { numRuns: 100 },
    );
  });

  it('takes one byte at a time', () => {
    const { reader, got } = collect();
    for (const byte of message(2, Uint8Array.of(1, 2, 3, 4))) reader.push(Uint8Array.of(byte));
    expect(got).toEqual(['2 01020304']);
  });

  it('reads a message of 65535 bytes once extended', () => {
    const { reader, got } = collect();
    reader.extended = true;
    const large = message(2, new Uint8Array(65535 - HEADER_LEN));
    for (let off = 0; off < large.length; off += 9000) reader.push(large.subarray(off, off + 9000));
    expect(got).toHaveLength(1);
    expect(got[0]).toHaveLength(2 + 2 * (65535 - HEADER_LEN));
  });

  it('stops when the sink says so, with what follows unread', () => {
    let count = 0;
    const reader = new MessageReader(() => {
      count++;
      return false;
    });
    reader.push(Buffer.concat([message(4, new Uint8Array(0)), message(4, new Uint8Array(0))]));
    expect(count).toBe(1);
  });

  it('throws nothing but BgpError and keeps less than one message of any stream', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 })), fc.boolean(), (chunks, marked) => {
        const { reader } = collect();
        try {
          for (const chunk of chunks) {
            if (marked) chunk.fill(0xff, 0, Math.min(16, chunk.length));
            reader.push(chunk);
            expect(reader.keptBytes).toBeLessThanOrEqual(4096);
          }
        } catch (error) {
          expect(error).toBeInstanceOf(BgpError);
        }
      }),
    );
  });
});
