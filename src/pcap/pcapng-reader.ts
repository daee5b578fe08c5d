// pcapng (draft-ietf-opsawg-pcapng): blocks of type, length, body, length. A section header sets the byte order, interface
// descriptions set link type and clock, packet blocks name their interface. All else is passed over without being read.

import { RECORD_MAX } from './capture-memory.ts';
import { CaptureReader, STEP_END, STEP_FRAME, STEP_MORE } from './capture-reader.ts';
import type { CaptureSource } from './capture-source.ts';
import { LINKTYPE_ETHERNET } from './link-type.ts';
import { isTsresol, TimeScale, TSRESOL_DEFAULT } from './timestamp.ts';

/** Section header block; reads the same in both byte orders. */
export const PCAPNG_SHB = 0x0a0d0d0a;
const PCAPNG_IDB = 1;
const PCAPNG_PB = 2; // obsolete packet block
const PCAPNG_SPB = 3;
const PCAPNG_EPB = 6;
const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
const BYTE_ORDER_SWAPPED = 0x4d3c2b1a;

const OPT_END = 0;
const IF_TSRESOL = 9;
const IF_FCSLEN = 13;
const IF_TSOFFSET = 14;

/** Interfaces of one section; a bound, so that a damaged file cannot use up memory. */
const MAX_INTERFACES = 65_536;

interface CaptureInterface {
  readonly linkType: number;
  readonly snaplen: number;
  readonly scale: TimeScale;
  readonly fcs: number;
}

export class PcapngReader extends CaptureReader {
  #little = true;
  #interfaces: CaptureInterface[] = [];
  /** Length of the block that is being passed over, 0 for none, and how much of it is left before its trailer. */
  #passing = 0;
  #left = 0;

  /** Reads the first section header; the caller has seen its type. */
  constructor(source: CaptureSource) {
    super(source);
    if (!source.fill(16)) throw this.#cutSection();
    this.#sectionHeader();
    while (!this.#passOver()) source.refill();
  }

  step(): number {
    const source = this.source;
    for (;;) {
      if (this.#passing > 0 && !this.#passOver()) return STEP_MORE;
      if (source.available < 8) {
        if (!source.ended) return STEP_MORE;
        if (source.available === 0) return STEP_END;
        throw this.fault('capture-truncated', 'the file ends inside a block header');
      }
      const type = this.view.getUint32(source.pos, this.#little);
      if (type === PCAPNG_SHB) {
        if (source.available < 16) {
          if (!source.ended) return STEP_MORE;
          throw this.#cutSection();
        }
        this.#sectionHeader();
        continue;
      }
      const total = this.view.getUint32(source.pos + 4, this.#little);
      this.#checkTotal(total);
      if (type === PCAPNG_EPB || type === PCAPNG_SPB || type === PCAPNG_PB) {
        if (!this.#wholeBlock(total)) return STEP_MORE;
        const body = source.pos + 8;
        if (type === PCAPNG_SPB) this.#simplePacket(total);
        else if (type === PCAPNG_EPB) this.#timedPacket(total, this.view.getUint32(body, this.#little));
        else this.#timedPacket(total, this.view.getUint16(body, this.#little));
        source.pos += total;
        return STEP_FRAME;
      }
      if (type === PCAPNG_IDB) {
        if (!this.#wholeBlock(total)) return STEP_MORE;
        this.#describeInterface(total);
        source.pos += total;
      } else this.#beginPassing(total);
    }
  }

  /** Enhanced and old packet blocks differ in how wide the interface's number is. */
  #timedPacket(total: number, interfaceId: number): void {
    const { view, source } = this;
    const body = source.pos + 8;
    if (total < 32) throw this.#tooShort(total, 'a packet block');
    const iface = this.#interface(interfaceId);
    iface.scale.convert(view.getUint32(body + 4, this.#little), view.getUint32(body + 8, this.#little));
    this.timeMs = iface.scale.ms;
    this.timeNs = iface.scale.ns;
    const wireLen = view.getUint32(body + 16, this.#little);
    this.#packet(iface, body + 20, view.getUint32(body + 12, this.#little), wireLen, total - 32);
  }

  /** A simple packet block has no time: the frame keeps that of the one before. It belongs to interface 0. */
  #simplePacket(total: number): void {
    const body = this.source.pos + 8;
    if (total < 16) throw this.#tooShort(total, 'a simple packet block');
    const iface = this.#interface(0);
    const wireLen = this.view.getUint32(body, this.#little);
    const len = iface.snaplen === 0 ? wireLen : Math.min(wireLen, iface.snaplen);
    this.#packet(iface, body + 4, len, wireLen, total - 16);
  }

  #packet(iface: CaptureInterface, off: number, len: number, wireLen: number, room: number): void {
    if (iface.linkType !== LINKTYPE_ETHERNET) this.checkLinkType(iface.linkType);
    this.checkLength(len, iface.snaplen);
    if (len > room) {
      throw this.fault('capture-corrupt', `captured length ${len} is above the ${room} bytes of its block`);
    }
    this.hand(off, len, wireLen, iface.fcs);
  }

  #interface(id: number): CaptureInterface {
    const iface = this.#interfaces[id];
    if (iface === undefined) {
      throw this.fault('capture-corrupt', `interface ${id} is not described in this section`);
    }
    return iface;
  }

  /** A section header, of which 16 bytes are there. */
  #sectionHeader(): void {
    const source = this.source;
    const magic = this.view.getUint32(source.pos + 8, true);
    if (magic !== BYTE_ORDER_MAGIC && magic !== BYTE_ORDER_SWAPPED) {
      throw this.fault('capture-corrupt', `section header with byte-order magic 0x${magic.toString(16)}`);
    }
    this.#little = magic === BYTE_ORDER_MAGIC;
    const major = this.view.getUint16(source.pos + 12, this.#little);
    if (major !== 1) {
      throw this.fault('capture-version', `pcapng version ${major}; 1 is read`);
    }
    const total = this.view.getUint32(source.pos + 4, this.#little);
    this.#checkTotal(total);
    if (total < 28) throw this.#tooShort(total, 'a section header');
    this.#interfaces = [];
    this.#beginPassing(total);
  }

  #describeInterface(total: number): void {
    const { view, source } = this;
    if (total < 20) throw this.#tooShort(total, 'an interface description');
    if (this.#interfaces.length >= MAX_INTERFACES) {
      throw this.fault('capture-corrupt', `more than ${MAX_INTERFACES} interfaces in one section`);
    }
    let tsresol = TSRESOL_DEFAULT;
    let offsetSeconds = 0;
    let fcs = 0;
    const end = source.pos + total - 4;
    for (let at = source.pos + 16; at + 4 <= end; ) {
      const code = view.getUint16(at, this.#little);
      const len = view.getUint16(at + 2, this.#little);
      if (code === OPT_END) break;
      if (at + 4 + len > end) {
        throw this.fault('capture-corrupt', `option ${code} runs over the end of its block`);
      }
      if (code === IF_TSRESOL && len === 1) tsresol = view.getUint8(at + 4);
      else if (code === IF_TSOFFSET && len === 8) offsetSeconds = this.#signed64(at + 4);
      else if (code === IF_FCSLEN && len === 1) fcs = fcsBytes(view.getUint8(at + 4));
      at += 4 + ((len + 3) & ~3);
    }
    if (!isTsresol(tsresol)) {
      throw this.fault(
        'capture-corrupt',
        `interface with time resolution (if_tsresol) 0x${tsresol.toString(16)}`,
      );
    }
    this.#interfaces.push({
      linkType: view.getUint16(source.pos + 8, this.#little),
      snaplen: view.getUint32(source.pos + 12, this.#little),
      scale: new TimeScale(tsresol, offsetSeconds),
      fcs,
    });
  }

  #signed64(at: number): number {
    const little = this.#little;
    const hi = this.view.getInt32(little ? at + 4 : at, little);
    return hi * 2 ** 32 + this.view.getUint32(little ? at : at + 4, little);
  }

  #checkTotal(total: number): void {
    if (total < 12 || total % 4 !== 0) {
      throw this.fault('capture-corrupt', `block length ${total} is not a multiple of 4 above 8`);
    }
  }

  #tooShort(total: number, what: string): Error {
    return this.fault('capture-corrupt', `block length ${total} is too short for ${what}`);
  }

  /** Whether a whole block is there, its two lengths checked against each other. */
  #wholeBlock(total: number): boolean {
    if (total > RECORD_MAX)
      throw this.fault('capture-corrupt', `block length ${total} is above ${RECORD_MAX}`);
    const { source } = this;
    if (source.available < total) {
      if (!source.ended) return false;
      throw this.#cutBlock(total, source.available);
    }
    this.#checkTrailer(this.view.getUint32(source.pos + total - 4, this.#little), total);
    return true;
  }

  #beginPassing(total: number): void {
    this.#passing = total;
    this.#left = total - 4;
  }

  /** Passes over a block, however long it is; false when more of it has to come first. */
  #passOver(): boolean {
    const { source } = this;
    const step = Math.min(this.#left, source.available);
    source.pos += step;
    this.#left -= step;
    if (this.#left > 0 || source.available < 4) {
      if (!source.ended) return false;
      throw this.#cutBlock(this.#passing, this.#passing - 4 - this.#left + source.available);
    }
    this.#checkTrailer(this.view.getUint32(source.pos, this.#little), this.#passing);
    source.pos += 4;
    this.#passing = 0;
    return true;
  }

  #cutSection(): Error {
    return this.fault('capture-truncated', 'the file ends inside a section header');
  }

  #cutBlock(total: number, there: number): Error {
    return this.fault(
      'capture-truncated',
      `the file ends inside a block: ${there} of ${total} bytes are there`,
    );
  }

  #checkTrailer(trailer: number, total: number): void {
    if (trailer !== total) {
      throw this.fault('capture-corrupt', `block length ${total} at its head, ${trailer} at its end`);
    }
  }
}

/** if_fcslen in bytes: writers disagree whether the option counts bytes (4) or bits (32). */
function fcsBytes(value: number): number {
  return value > 4 ? value >> 3 : value;
}
