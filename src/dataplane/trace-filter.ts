// Which packets a trace wants. Main compiles what the operator wrote into words of shared memory; the data plane compares
// them with each packet as it comes in, before any node has seen it: the frame's own bytes and its port are all there is.

import type { Batch } from '../base/batch.ts';

export interface TraceFilter {
  /** IPv4 source or destination, or ARP sender or target, as u32. */
  readonly host?: number;
  /** TCP or UDP source or destination port. */
  readonly port?: number;
  /** IPv4 protocol number. */
  readonly protocol?: number;
  readonly etherType?: number;
  /** 802.1Q VLAN id; 0 = untagged frames only. */
  readonly vlan?: number;
  /** PortIds by which frames come in; an interface is its port and VLAN. At most 8. */
  readonly inPorts?: readonly number[];
  /** Source or destination MAC. */
  readonly mac?: { readonly hi: number; readonly lo: number };
}

const WANT_HOST = 1;
const WANT_PORT = 2;
const WANT_PROTOCOL = 4;
const WANT_ETHER_TYPE = 8;
const WANT_VLAN = 16;
const WANT_IN_PORT = 32;
const WANT_MAC = 64;

// Words of the filter.
const WANTS = 0;
const HOST = 1;
const L4_PORT = 2;
const PROTOCOL = 3;
const ETHER_TYPE = 4;
const VLAN = 5;
const MAC_HI = 6;
const MAC_LO = 7;
const IN_PORTS = 8; // count, then the ports
export const MAX_IN_PORTS = 8;

/** Writes the filter into a trace's words. Main only, while the trace is inactive. */
export function compileTraceFilter(words: Uint32Array, filter: TraceFilter): void {
  words.fill(0);
  const set = (bit: number, word: number, value: number | undefined): void => {
    if (value === undefined) return;
    words[WANTS] |= bit;
    words[word] = value;
  };
  set(WANT_HOST, HOST, filter.host);
  set(WANT_PORT, L4_PORT, filter.port);
  set(WANT_PROTOCOL, PROTOCOL, filter.protocol);
  set(WANT_ETHER_TYPE, ETHER_TYPE, filter.etherType);
  set(WANT_VLAN, VLAN, filter.vlan);
  set(WANT_MAC, MAC_HI, filter.mac?.hi);
  set(WANT_MAC, MAC_LO, filter.mac?.lo);
  const ports = filter.inPorts?.slice(0, MAX_IN_PORTS);
  set(WANT_IN_PORT, IN_PORTS, ports?.length);
  ports?.forEach((port, k) => {
    words[IN_PORTS + 1 + k] = port;
  });
}

/** Whether slot `i` is wanted. Reads no byte beyond the frame. */
export function traceFilterMatches(words: Uint32Array, batch: Batch, i: number): boolean {
  const wants = words[WANTS];
  if (wants === 0) return true;
  const { view } = batch;
  const off = batch.off[i];
  const end = off + batch.len[i];
  if (off + 14 > end) return false;
  if (wants & WANT_IN_PORT && !fromOneOf(words, batch.port[i])) return false;
  if (wants & WANT_MAC) {
    const hi = words[MAC_HI];
    const lo = words[MAC_LO];
    const dst = view.getUint16(off) === hi && view.getUint32(off + 2) === lo;
    const src = view.getUint16(off + 6) === hi && view.getUint32(off + 8) === lo;
    if (!dst && !src) return false;
  }
  let etherType = view.getUint16(off + 12);
  let l3 = off + 14;
  let vlan = 0;
  if (etherType === 0x8100 && l3 + 4 <= end) {
    vlan = view.getUint16(l3) & 0xfff;
    etherType = view.getUint16(l3 + 2);
    l3 += 4;
  }
  if (wants & WANT_VLAN && vlan !== words[VLAN]) return false;
  if (wants & WANT_ETHER_TYPE && etherType !== words[ETHER_TYPE]) return false;
  if ((wants & (WANT_HOST | WANT_PORT | WANT_PROTOCOL)) === 0) return true;
  if (etherType === 0x0806)
    return wants === (wants & ~(WANT_PORT | WANT_PROTOCOL)) && arpHost(words, view, l3, end);
  if (etherType !== 0x0800 || l3 + 20 > end) return false;
  const host = words[HOST];
  if (wants & WANT_HOST && view.getUint32(l3 + 12) !== host && view.getUint32(l3 + 16) !== host) return false;
  const protocol = view.getUint8(l3 + 9);
  if (wants & WANT_PROTOCOL && protocol !== words[PROTOCOL]) return false;
  if ((wants & WANT_PORT) === 0) return true;
  const l4 = l3 + (view.getUint8(l3) & 15) * 4;
  const first = (view.getUint16(l3 + 6) & 0x1fff) === 0;
  if ((protocol !== 6 && protocol !== 17) || !first || l4 + 4 > end) return false;
  return view.getUint16(l4) === words[L4_PORT] || view.getUint16(l4 + 2) === words[L4_PORT];
}

function fromOneOf(words: Uint32Array, port: number): boolean {
  const n = words[IN_PORTS];
  for (let k = 1; k <= n; k++) if (words[IN_PORTS + k] === port) return true;
  return false;
}

function arpHost(words: Uint32Array, view: DataView, l3: number, end: number): boolean {
  if (l3 + 28 > end) return false;
  return view.getUint32(l3 + 14) === words[HOST] || view.getUint32(l3 + 24) === words[HOST];
}
