// The loops over records of classic pcap, little-endian, in AssemblyScript: reading headers into a batch's columns, and writing
// them in front of frames that lie one behind the other (../record-loops.ts).
//
// A time is one number, seconds in its upper and nanoseconds in its lower half, so that a later one is a larger one. `base` is the
// address of the batch's columns, `times` that of a column of times, `state` that of the words that go in and out.

import { LEN_AT, OFF_AT, OFFLOAD_AT, PORT_AT } from '../../base/batch-columns';
import { RECORD_LEN, STATE_BYTES, STATE_LATEST, STATE_LIMIT, STATE_NOW, STATE_PLACE } from '../record-state';

const SECOND_NS: u32 = 1000000000;

/**
 * Adds frames to slot `first` and the `room - 1` after it, from the record at the place on to the last that ends before `end`, as
 * long as they are whole, not longer than `longest`, not earlier than the latest and not after the limit. Returns how many.
 */
export function readRecords(
  base: usize,
  first: u32,
  room: u32,
  port: u32,
  end: usize,
  unitNs: u32,
  longest: u32,
  times: usize,
  state: usize,
): u32 {
  const limit = load<u64>(state, STATE_LIMIT);
  const units = SECOND_NS / unitNs;
  let latest = load<u64>(state, STATE_LATEST);
  let at = <usize>load<u32>(state, STATE_PLACE);
  let bytes: u32 = 0;
  let n: u32 = 0;
  for (; n < room && at + RECORD_LEN <= end; n++) {
    const fraction = load<u32>(at, 4);
    const len = load<u32>(at, 8);
    const time = ((<u64>load<u32>(at)) << 32) | (fraction * unitNs);
    if (fraction >= units || time < latest || time > limit) break;
    if (len > longest || len !== load<u32>(at, 12) || at + RECORD_LEN + len > end) break;
    const i = first + n;
    store<u32>(base + (i << 2), at + RECORD_LEN, OFF_AT);
    store<u32>(base + (i << 2), len, LEN_AT);
    store<u16>(base + (i << 1), <u16>port, PORT_AT);
    store<u8>(base + i, 0, OFFLOAD_AT);
    store<u64>(times + (i << 3), time);
    latest = time;
    bytes += len;
    at += RECORD_LEN + len;
  }
  store<u64>(state, latest, STATE_LATEST);
  store<u32>(state, at, STATE_PLACE);
  store<u32>(state, bytes, STATE_BYTES);
  return n;
}

/**
 * Writes the records' headers of the slots `vector[from..n-1]`, as long as each has its place right behind the frame before it, which
 * ends at the place. Slots from `received` on have the time that is now. Returns the position of the first that is elsewhere, or `n`.
 */
export function writeRecords(
  base: usize,
  vector: usize,
  from: u32,
  n: u32,
  received: u32,
  times: usize,
  state: usize,
): u32 {
  const now = load<u64>(state, STATE_NOW);
  let end = <usize>load<u32>(state, STATE_PLACE);
  let bytes: u32 = 0;
  let k = from;
  for (; k < n; k++) {
    const i = <u32>load<u16>(vector + (k << 1));
    const off = <usize>load<u32>(base + (i << 2), OFF_AT);
    if (off - RECORD_LEN !== end) break;
    const len = load<u32>(base + (i << 2), LEN_AT);
    const time = i < received ? load<u64>(times + (i << 3)) : now;
    store<u64>(end, (time >> 32) | (time << 32));
    store<u64>(end, ((<u64>len) << 32) | len, 8);
    bytes += len;
    end = off + len;
  }
  store<u32>(state, end, STATE_PLACE);
  store<u32>(state, bytes, STATE_BYTES);
  return k;
}
