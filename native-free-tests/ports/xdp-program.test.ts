import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type XdpHost, xdpProgram } from '../../src/ports/xdp-program.ts';

const XDP_PASS = 2;
const XDP_REDIRECT = 4;
const MAP_FD = 77;
const QUEUE = 5;
/** Where the interpreter says that the frame lies. */
const FRAME = 0x1000;

/** Runs a program of the instructions that ours has (RFC 9669 §4, §5) and returns its verdict. */
function run(code: Uint8Array, frame: Uint8Array): number {
  const view = new DataView(code.buffer);
  const reg: number[] = new Array(11).fill(Number.NaN);
  const context = 1;
  reg[1] = context;
  const load = (address: number, bytes: number): number => {
    if (address < FRAME) {
      const fields: Record<number, number> = { 0: FRAME, 4: FRAME + frame.length, 16: QUEUE };
      const field = fields[address - context];
      if (field === undefined || bytes !== 4) throw new Error(`no field at ${address}`);
      return field;
    }
    const at = address - FRAME;
    if (at + bytes > frame.length) throw new Error(`read ${bytes} bytes at ${at} of ${frame.length}`);
    let value = 0;
    for (let i = bytes - 1; i >= 0; i--) value = value * 256 + frame[at + i];
    return value;
  };
  const swap = (value: number, bytes: number): number => {
    let out = 0;
    for (let i = 0; i < bytes; i++) out = out * 256 + (Math.floor(value / 256 ** i) % 256);
    return out;
  };
  for (let pc = 0; pc < code.length / 8; pc++) {
    const op = view.getUint8(pc * 8);
    const dst = view.getUint8(pc * 8 + 1) & 15;
    const src = view.getUint8(pc * 8 + 1) >>> 4;
    const off = view.getInt16(pc * 8 + 2, true);
    const imm = view.getInt32(pc * 8 + 4, true);
    if (op === 0x61) reg[dst] = load(reg[src] + off, 4);
    else if (op === 0x69) reg[dst] = load(reg[src] + off, 2);
    else if (op === 0x71) reg[dst] = load(reg[src] + off, 1);
    else if (op === 0x18) {
      expect(src, 'the immediate is the descriptor of a map').toBe(1);
      reg[dst] = imm;
      pc++;
    } else if (op === 0xb7) reg[dst] = imm;
    else if (op === 0xbf) reg[dst] = reg[src];
    else if (op === 0x07) reg[dst] += imm;
    else if (op === 0x57) reg[dst] = reg[dst] & imm;
    else if (op === 0xdc) reg[dst] = swap(reg[dst], imm / 8);
    else if (op === 0x05) pc += off;
    else if (op === 0x16) pc += reg[dst] === imm >>> 0 ? off : 0;
    else if (op === 0x56) pc += reg[dst] === imm >>> 0 ? 0 : off;
    else if (op === 0x2d) pc += reg[dst] > reg[src] ? off : 0;
    else if (op === 0x85) {
      expect([imm, ...reg.slice(1, 4)], 'bpf_redirect_map(map, queue, pass)').toEqual([
        51,
        MAP_FD,
        QUEUE,
        XDP_PASS,
      ]);
      reg[0] = XDP_REDIRECT;
    } else if (op === 0x95) return reg[0];
    else throw new Error(`instruction ${op.toString(16)}`);
  }
  throw new Error('the program runs over its end');
}

/** The same judgement in words: what the gateway gets. */
function goesToGateway(frame: Uint8Array, host: XdpHost): boolean {
  const view = new DataView(frame.buffer);
  if (frame.length < 34) return true;
  const tagged = view.getUint16(12) === 0x8100;
  if (tagged && frame.length < 38) return true;
  const vlan = tagged ? view.getUint16(14) & 0xfff : 0;
  if (!host.vlans.includes(vlan)) return true;
  const l3 = tagged ? 18 : 14;
  if (view.getUint16(l3 - 2) !== 0x0800 || (frame[0] & 1) !== 0) return false;
  return !host.addresses.includes(view.getUint32(l3 + 16));
}

const frames = fc
  .record({
    len: fc.constantFrom(14, 33, 34, 37, 38, 60),
    group: fc.boolean(),
    tci: fc.constantFrom(-1, 0, 7, 0xa007, 8, 9),
    type: fc.constantFrom(0x0800, 0x0806, 0x86dd, 0x8100),
    dst: fc.constantFrom(0x0a000001, 0xc0a80001, 0xffffffff, 0x0a000002),
  })
  .map(({ len, group, tci, type, dst }) => {
    const whole = new Uint8Array(80);
    const view = new DataView(whole.buffer);
    if (group) whole[0] = 1;
    const l3 = tci < 0 ? 14 : 18;
    if (tci >= 0) view.setUint32(12, 0x8100_0000 + tci);
    view.setUint16(l3 - 2, type);
    view.setUint32(l3 + 16, dst);
    return whole.slice(0, len);
  });
const hosts = fc.record({
  vlans: fc.subarray([0, 7, 8], { minLength: 1 }),
  addresses: fc.subarray([0x0a000001, 0xc0a80001, 0xffffffff]),
});

describe('xdpProgram', () => {
  it('gives every frame to the socket of its queue when the kernel has no address', () => {
    fc.assert(
      fc.property(frames, (frame) => {
        expect(run(xdpProgram(MAP_FD, undefined), frame)).toBe(XDP_REDIRECT);
      }),
    );
  });

  it('leaves to the kernel what is not unicast IPv4 to somebody else, on the VLANs where it has addresses', () => {
    fc.assert(
      fc.property(frames, hosts, (frame, host) => {
        const verdict = run(xdpProgram(MAP_FD, host), frame);
        expect(verdict).toBe(goesToGateway(frame, host) ? XDP_REDIRECT : XDP_PASS);
      }),
      { numRuns: 2000 },
    );
  });

  it('has no instruction that cannot be reached, which the verifier refuses', () => {
    for (const vlans of [[0], [7], [0, 7]]) {
      const code = xdpProgram(MAP_FD, { vlans, addresses: [1] });
      const view = new DataView(code.buffer);
      const reached = new Set<number>();
      const walk = (pc: number): void => {
        if (reached.has(pc)) return;
        reached.add(pc);
        const op = view.getUint8(pc * 8);
        if (op === 0x95) return;
        if (op === 0x18) reached.add(pc + 1);
        const jumps = (op & 7) === 5 || (op & 7) === 6;
        if (jumps && op !== 0x85) walk(pc + 1 + view.getInt16(pc * 8 + 2, true));
        if (op !== 0x05) walk(pc + (op === 0x18 ? 2 : 1));
      };
      walk(0);
      expect(reached.size).toBe(code.length / 8);
    }
  });
});
