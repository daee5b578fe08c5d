// IPv4 fragmentation (RFC 791 §3.2): a packet that may be cut becomes pieces that each fit the egress MTU. The first piece
// has all options, the others those whose copied flag is set; a piece may itself be a fragment that is cut again.

import { BATCH_SLOTS, type Batch } from '../base/batch.ts';
import {
  IPOPT_EOL,
  IPOPT_NOP,
  IPV4_HLEN,
  IPV4_MF,
  IPV4_OFFSET_MASK,
  ipv4FlagsFrag,
  ipv4HeaderLen,
  ipv4OptionsValid,
  ipv4RefreshChecksum,
  ipv4SetFlagsFrag,
  ipv4SetTotalLen,
  ipv4TotalLen,
} from '../wire/ipv4.ts';

/** Most pieces of one packet: what a batch can hold. */
export const MAX_FRAGMENTS = BATCH_SLOTS;

/** The packet cannot be cut: the MTU leaves no 8 bytes beside the header, or its options are broken. */
export const FRAGMENT_IMPOSSIBLE = 0;
/** The batch has no room for all pieces; none was made. */
export const FRAGMENT_NO_ROOM = -1;

/** Option flag: goes into every fragment (RFC 791 §3.1). */
const OPTION_COPIED = 0x80;

/**
 * Cuts packet `i`, whose checksums are complete, into pieces of at most `mtu` bytes behind the Ethernet header. Writes the
 * pieces' slots to `out` and returns how many there are, FRAGMENT_IMPOSSIBLE or FRAGMENT_NO_ROOM. Packet `i` stays as it is.
 */
export function fragmentIpv4(batch: Batch, i: number, mtu: number, out: Uint16Array): number {
  const { u8, view } = batch;
  const l3 = batch.l3[i];
  const at = batch.off[i] + l3;
  const hlen = ipv4HeaderLen(view, at);
  if (!ipv4OptionsValid(view, at)) return FRAGMENT_IMPOSSIBLE;
  const payload = ipv4TotalLen(view, at) - hlen;
  const flags = ipv4FlagsFrag(view, at);
  const size = (mtu - hlen) & ~7; // the later headers are no longer than the first, so one size fits all
  if (size < 8) return FRAGMENT_IMPOSSIBLE;
  const mark = batch.mark();
  const count = batch.count;
  let n = 0;
  for (let done = 0; done < payload; done += size) {
    const last = done + size >= payload;
    const part = last ? payload - done : size;
    const j = n < out.length ? batch.alloc(l3 + hlen + part) : -1;
    if (j < 0) {
      batch.rewind(count, mark);
      return FRAGMENT_NO_ROOM;
    }
    const off = batch.off[j];
    u8.copyWithin(off, batch.off[i], at + hlen);
    const head = done === 0 ? hlen : keepCopied(batch, off + l3, hlen);
    u8.copyWithin(off + l3 + head, at + hlen + done, at + hlen + done + part);
    const offset = (flags & IPV4_OFFSET_MASK) + (done >>> 3);
    const more = last ? flags & IPV4_MF : IPV4_MF;
    ipv4SetTotalLen(view, off + l3, head + part);
    ipv4SetFlagsFrag(view, off + l3, (flags & ~(IPV4_MF | IPV4_OFFSET_MASK)) | more | offset);
    ipv4RefreshChecksum(view, off + l3);
    batch.len[j] = l3 + head + part;
    batch.inherit(j, i);
    out[n++] = j;
  }
  return n;
}

/** Drops the options that only the first fragment has from the header at `at`; returns the header's new length. */
function keepCopied(batch: Batch, at: number, hlen: number): number {
  const { u8, view } = batch;
  const end = at + hlen;
  let to = at + IPV4_HLEN;
  let from = to;
  while (from < end && view.getUint8(from) !== IPOPT_EOL) {
    const type = view.getUint8(from);
    const len = type === IPOPT_NOP ? 1 : view.getUint8(from + 1);
    if ((type & OPTION_COPIED) !== 0) {
      u8.copyWithin(to, from, from + len);
      to += len;
    }
    from += len;
  }
  while (((to - at) & 3) !== 0) u8[to++] = IPOPT_EOL;
  const kept = to - at;
  view.setUint8(at, 0x40 | (kept >>> 2));
  return kept;
}
