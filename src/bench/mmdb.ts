// A routing table as a MaxMind DB, the format of the npm packages that look prefixes up (MaxMind DB File Format 2.0): a binary
// tree of records that point to nodes or to data. The value of a prefix is its next hop.

import { NearhopError } from '../base/errors.ts';
import type { RouteTable } from './route-table.ts';

const MARKER = Buffer.from('abcdef4d61784d696e642e636f6d', 'hex');
/** Between tree and data stand 16 bytes of zeros. */
const SEPARATOR = 16;
/** Records of 24 bits: what a node number or a pointer into the data may be at most. */
const MAX_RECORD = 0xffffff;

/** The table as a file of IP version 4. Throws `mmdb-too-large` when its tree needs more than 2^24 records' worth of numbers. */
export function mmdbOf({ prefix, len, nextHop }: RouteTable): Buffer {
  const tree = new Tree();
  // By growing length, so that a longer prefix splits what a shorter one has filled.
  const order = Array.from(prefix, (_, i) => i).sort((a, b) => len[a] - len[b]);
  for (const i of order) tree.add(prefix[i], len[i], nextHop[i]);
  const { records, nodes } = tree;

  const values = [...new Set(nextHop)];
  const data = Buffer.concat(values.map(uint16));
  const pointer = new Map(values.map((nh, i) => [nh, nodes + SEPARATOR + i * 3]));
  if (nodes + SEPARATOR + data.length > MAX_RECORD) {
    throw new NearhopError('mmdb-too-large', `${nodes} nodes do not fit into records of 24 bits`);
  }
  const body = Buffer.alloc(nodes * 6);
  for (let r = 0; r < nodes * 2; r++) {
    const to = records[r];
    body.writeUIntBE(to > 0 ? to : to === 0 ? nodes : pointer.get(-to)!, r * 3, 3);
  }
  return Buffer.concat([body, Buffer.alloc(SEPARATOR), data, MARKER, metadata(nodes)]);
}

class Tree {
  /** Two of each node: a node number, minus a next hop, or 0 for nothing. */
  records = new Int32Array(1 << 16);
  nodes = 1;

  add(prefix: number, len: number, nextHop: number): void {
    if (len === 0) {
      this.records[0] = this.records[1] = -nextHop;
      return;
    }
    let at = prefix >>> 31;
    for (let bit = 1; bit < len; bit++) {
      let node = this.records[at];
      if (node <= 0) {
        const filled = node;
        node = this.nodes++;
        if (node * 2 >= this.records.length) this.#grow();
        this.records[node * 2] = this.records[node * 2 + 1] = filled;
        this.records[at] = node;
      }
      at = node * 2 + ((prefix >>> (31 - bit)) & 1);
    }
    this.records[at] = -nextHop;
  }

  #grow(): void {
    const larger = new Int32Array(this.records.length * 2);
    larger.set(this.records);
    this.records = larger;
  }
}

// Fields of the data section: a type in the upper three bits and a size below; types from 8 on stand in a second byte.

const field = (type: number, size: number): Buffer =>
  type < 8 ? Buffer.of((type << 5) | size) : Buffer.of(size, type - 7);

function uint(type: number, value: number, size: number): Buffer {
  const bytes = Buffer.alloc(size);
  if (size > 0) bytes.writeUIntBE(value, 0, size);
  return Buffer.concat([field(type, size), bytes]);
}
const uint16 = (value: number): Buffer => uint(5, value, 2);
const uint32 = (value: number): Buffer => uint(6, value, 4);
const uint64 = (value: number): Buffer => uint(9, value, value === 0 ? 0 : 6);
/** At most 28 bytes. */
const text = (value: string): Buffer => Buffer.concat([field(2, value.length), Buffer.from(value)]);
const map = (entries: readonly (readonly [string, Buffer])[]): Buffer =>
  Buffer.concat([field(7, entries.length), ...entries.flatMap(([key, value]) => [text(key), value])]);
const array = (values: readonly Buffer[]): Buffer => Buffer.concat([field(11, values.length), ...values]);

const metadata = (nodes: number): Buffer =>
  map([
    ['binary_format_major_version', uint16(2)],
    ['binary_format_minor_version', uint16(0)],
    ['build_epoch', uint64(0)],
    ['database_type', text('nearhop next hops')],
    ['description', map([['en', text('next hop of each prefix')]])],
    ['ip_version', uint16(4)],
    ['languages', array([text('en')])],
    ['node_count', uint32(nodes)],
    ['record_size', uint16(24)],
  ]);
