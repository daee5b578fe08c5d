import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type BpfLine,
  emitFrame,
  everyFrameFilter,
  forwardedFrameFilter,
  frameBytes,
  frameFault,
  goodFrameFilter,
  MAC,
  MAC_HI,
  STAMP_AT,
  sizeProgram,
  stampedFrameFilter,
  tcBytecode,
  ttlUnchanged,
  type WireMode,
} from '../../src/bench/wire-frame.ts';
import { ethernetSetDst, ethernetSetSrc } from '../../src/wire/ethernet.ts';
import { ipv4Check, ipv4DecrementTtl } from '../../src/wire/ipv4.ts';

/** Runs classic BPF of the few instructions that the filters have. */
function runBpf(lines: readonly BpfLine[], view: DataView, bytes = 60): number {
  let accumulator = 0;
  for (let pc = 0; ; ) {
    const [code, jt, jf, k] = lines[pc++];
    const at = k >= 0xffe0_0000 ? k - 0xffe0_0000 : k; // SKF_LL_OFF
    if (code === 0x20) accumulator = view.getUint32(at);
    else if (code === 0x28) accumulator = view.getUint16(at);
    else if (code === 0x30) accumulator = view.getUint8(at);
    else if (code === 0x80) accumulator = bytes;
    else if (code === 0x25) pc += accumulator > k ? jt : jf;
    else if (code === 0x35) pc += accumulator >= k ? jt : jf;
    else if (code === 0x15) pc += accumulator === k ? jt : jf;
    else if (code === 0x06) return k;
    else throw new Error(`code ${code}`);
  }
}

/** A frame as the generator sends it; `forward` makes of it what a device under test should. */
function frame(mode: WireMode, i = 5, bytes = 60): DataView {
  const view = new DataView(new ArrayBuffer(1600));
  emitFrame(view, 0, bytes, i, { mode, flows: 1000, routes: 1000 });
  return view;
}
function forward(view: DataView, mode: WireMode): DataView {
  if (mode === 'l2') return view;
  ipv4DecrementTtl(view, 14);
  ethernetSetDst(view, 0, MAC_HI, MAC.s0);
  ethernetSetSrc(view, 0, MAC_HI, MAC.d1);
  return view;
}

describe('emitFrame', () => {
  it('writes valid IPv4 of the size that is asked for', () => {
    for (const bytes of [60, 566, 1514]) expect(ipv4Check(frame('l3', 7, bytes), 14, bytes - 14)).toBe(34);
  });
});

describe('frameBytes', () => {
  it('counts without FCS', () => {
    expect(frameBytes(64, 3)).toBe(60);
    expect(frameBytes(1518, 3)).toBe(1514);
  });
  it('mixes 28 x 64, 16 x 570 and 4 x 1518 in any 48 frames in a row', () => {
    fc.assert(
      fc.property(fc.nat(10_000), (from) => {
        const count: Record<number, number> = {};
        for (let i = 0; i < 48; i++) {
          const bytes = frameBytes('imix', from + i);
          count[bytes] = (count[bytes] ?? 0) + 1;
        }
        expect(count).toEqual({ 60: 28, 566: 16, 1514: 4 });
      }),
    );
  });
});

describe.each(['l3', 'l2'] as const)('frames in %s', (mode) => {
  it('are right when they were forwarded, and are counted', () => {
    const view = forward(frame(mode), mode);
    expect(frameFault(view, 0, mode)).toBeUndefined();
    expect(runBpf(goodFrameFilter(mode), view)).toBe(2);
  });

  it.each([
    ['destination-mac', (v: DataView) => v.setUint8(5, 9)],
    ['source-mac', (v: DataView) => v.setUint8(11, 9)],
    ['ttl', (v: DataView) => v.setUint8(22, 62)],
    ['checksum', (v: DataView) => v.setUint8(24, ~v.getUint8(24))],
    ['ether-type', (v: DataView) => v.setUint16(12, 0x86dd)],
  ] as const)('are wrong in %s when that was spoilt', (fault, spoil) => {
    const view = forward(frame(mode), mode);
    spoil(view);
    expect(frameFault(view, 0, mode)).toBe(fault);
    if (fault === 'ttl' || fault === 'destination-mac') expect(runBpf(goodFrameFilter(mode), view)).toBe(0);
  });
});

describe('a router that leaves the TTL alone', () => {
  it('is counted, and its frames are right but told apart', () => {
    const view = frame('l3');
    ethernetSetDst(view, 0, MAC_HI, MAC.s0);
    ethernetSetSrc(view, 0, MAC_HI, MAC.d1);
    expect(frameFault(view, 0, 'l3')).toBeUndefined();
    expect(ttlUnchanged(view, 0)).toBe(true);
    expect(ttlUnchanged(forward(frame('l3'), 'l3'), 0)).toBe(false);
    expect(runBpf(goodFrameFilter('l3'), view)).toBe(2);
  });
});

describe('sizeProgram', () => {
  it.each(['l3', 'l2'] as const)('gives what came out of the device in %s the number of its size', (mode) => {
    const view = forward(frame(mode), mode);
    const program = sizeProgram(mode, [60, 123, 1514]);
    const numbers = [60, 61, 123, 124, 1514, 1515].map((bytes) => runBpf(program, view, bytes - 14));
    expect(numbers).toEqual([0, 1, 1, 2, 2, 3]);
    view.setUint8(11, 9); // another sender
    expect(runBpf(program, view, 46)).toBe(3);
    const other = forward(frame(mode), mode);
    other.setUint8(22, 5);
    expect(runBpf(program, other, 46)).toBe(mode === 'l3' ? 3 : 0);
  });
});

describe('forwardedFrameFilter', () => {
  it('counts frames without our mark, if they come from the device to the sink', () => {
    const view = forward(frame('l3'), 'l3');
    view.setUint32(42, 0);
    expect(runBpf(forwardedFrameFilter('l3'), view)).toBe(2);
    expect(runBpf(forwardedFrameFilter('l3'), frame('l3'))).toBe(0);
  });
});

describe('filters', () => {
  it('does not count frames that are not forwarded, nor others', () => {
    expect(runBpf(goodFrameFilter('l3'), frame('l3'))).toBe(0);
    expect(runBpf(goodFrameFilter('l3'), new DataView(new ArrayBuffer(60)))).toBe(0);
  });
  it('samples frames that carry a time, right or wrong', () => {
    const view = frame('l3');
    expect(runBpf(stampedFrameFilter(), view)).toBe(0);
    view.setUint32(STAMP_AT, 1, true);
    expect(runBpf(stampedFrameFilter(), view)).toBeGreaterThan(0);
    view.setUint32(42, 1);
    expect(runBpf(stampedFrameFilter(), view)).toBe(0);
  });
  it('is text for tc', () => {
    expect(tcBytecode(everyFrameFilter())).toBe('1,6 0 0 2');
  });
});
