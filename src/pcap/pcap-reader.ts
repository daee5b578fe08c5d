// Classic pcap (draft-ietf-opsawg-pcap): a header of 24 bytes, then records of 16 bytes and a frame. Both byte orders,
// micro- and nanoseconds.

import type { Batch } from '../base/batch.ts';
import { FRAME_MAX } from '../base/slab.ts';
import { CAPLEN_MAX, CaptureReader, STEP_END, STEP_FRAME, STEP_MORE } from './capture-reader.ts';
import type { CaptureSource } from './capture-source.ts';
import type { RecordLoops } from './record-loops.ts';

/** First four bytes, read little-endian. */
export const PCAP_MAGIC_US = 0xa1b2c3d4;
export const PCAP_MAGIC_NS = 0xa1b23c4d;
export const PCAP_MAGIC_US_SWAPPED = 0xd4c3b2a1;
export const PCAP_MAGIC_NS_SWAPPED = 0x4d3cb2a1;

export const PCAP_HEADER_LEN = 24;
export const PCAP_RECORD_LEN = 16;

export class PcapReader extends CaptureReader {
  readonly #little: boolean;
  /** Nanoseconds of one unit of the record's fraction of a second, 1 or 1000. */
  readonly #unitNs: number;
  readonly #snaplen: number;
  /** Longer frames are a fault. */
  readonly #longest: number;
  readonly #fcs: number;
  /** Whole ms of the last frame's time: its second, and the ms within that as ns. */
  #seconds = -1;
  #msAsNs = 0;

  /** Reads the header; the caller has seen the magic number. */
  constructor(source: CaptureSource) {
    super(source);
    if (!source.fill(PCAP_HEADER_LEN)) {
      throw this.fault('capture-truncated', `the file ends inside its header (${source.available} bytes)`);
    }
    const { view, pos } = source;
    const magic = view.getUint32(pos, true);
    this.#little = magic === PCAP_MAGIC_US || magic === PCAP_MAGIC_NS;
    this.#unitNs = magic === PCAP_MAGIC_NS || magic === PCAP_MAGIC_NS_SWAPPED ? 1 : 1000;
    const major = view.getUint16(pos + 4, this.#little);
    const minor = view.getUint16(pos + 6, this.#little);
    if (major !== 2 || minor !== 4) {
      throw this.fault('capture-version', `pcap version ${major}.${minor}; 2.4 is read`, REWRITE);
    }
    this.#snaplen = view.getUint32(pos + 16, this.#little);
    this.#longest = this.#snaplen === 0 ? CAPLEN_MAX : Math.min(this.#snaplen, CAPLEN_MAX);
    const linkField = view.getUint32(pos + 20, this.#little);
    this.checkLinkType(linkField & 0x03ffffff);
    // Bit 26 says that the frames end with an FCS, bits 28..31 its length in 16-bit words.
    this.#fcs = (linkField & 0x04000000) === 0 ? 0 : (linkField >>> 28) * 2;
    source.pos += PCAP_HEADER_LEN;
  }

  step(): number {
    const source = this.source;
    const there = source.available;
    if (there < PCAP_RECORD_LEN) {
      if (!source.ended) return STEP_MORE;
      if (there === 0) return STEP_END;
      throw this.fault('capture-truncated', 'the file ends inside a record header');
    }
    const little = this.#little;
    const len = this.view.getUint32(source.pos + 8, little);
    if (len > this.#longest) this.checkLength(len, this.#snaplen);
    if (there < PCAP_RECORD_LEN + len) {
      if (!source.ended) return STEP_MORE;
      throw this.fault(
        'capture-truncated',
        `the file ends inside the packet: ${there - PCAP_RECORD_LEN} of ${len} bytes are there`,
      );
    }
    const { pos } = source;
    this.#readTime(this.view.getUint32(pos, little), this.view.getUint32(pos + 4, little) * this.#unitNs);
    this.hand(pos + PCAP_RECORD_LEN, len, this.view.getUint32(pos + 12, little), this.#fcs);
    source.pos = pos + PCAP_RECORD_LEN + len;
    return STEP_FRAME;
  }

  override readInto(loops: RecordLoops, batch: Batch, room: number, port: number): number {
    if (!this.#little || this.#fcs !== 0) return 0;
    const { source } = this;
    const end = source.pos + source.available;
    const longest = Math.min(this.#longest, FRAME_MAX);
    const n = loops.read(batch, room, port, source.pos, end, this.#unitNs, longest);
    source.pos = loops.place;
    this.packets += n;
    return n;
  }

  /** Most frames share their ms with the one before: then no division is needed. */
  #readTime(seconds: number, fractionNs: number): void {
    const ns = fractionNs - this.#msAsNs;
    if (seconds === this.#seconds && ns >= 0 && ns < 1e6) {
      this.timeNs = ns;
      return;
    }
    const fractionMs = Math.floor(fractionNs / 1e6);
    this.#seconds = seconds;
    this.#msAsNs = fractionMs * 1e6;
    this.timeMs = seconds * 1000 + fractionMs;
    this.timeNs = fractionNs - this.#msAsNs;
  }
}

const REWRITE = '`editcap IN OUT` writes it in a current format';
