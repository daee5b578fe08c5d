// Opening a capture: the first four bytes say which reader it is for.

import { NearhopError } from '../base/errors.ts';
import type { CaptureMemory } from './capture-memory.ts';
import type { CaptureReader } from './capture-reader.ts';
import { type CaptureSource, openCaptureSource } from './capture-source.ts';
import {
  PCAP_MAGIC_NS,
  PCAP_MAGIC_NS_SWAPPED,
  PCAP_MAGIC_US,
  PCAP_MAGIC_US_SWAPPED,
  PcapReader,
} from './pcap-reader.ts';
import { PCAPNG_SHB, PcapngReader } from './pcapng-reader.ts';
import type { PendingIo } from './pending-io.ts';

/** What compressed files start with, 16 bits read big-endian. */
const COMPRESSED: ReadonlyMap<number, string> = new Map([
  [0x1f8b, 'gzip'],
  [0x28b5, 'zstd'],
  [0x425a, 'bzip2'],
  [0xfd37, 'xz'],
]);

/**
 * Opens a pcap or pcapng capture, or standard input for `-`, and reads its header. Frames lie in `memory`, or in memory of
 * the reader's own; with `io` it is read ahead. Throws a NearhopError `capture-…`.
 */
export function openCapture(path: string, memory?: CaptureMemory, io?: PendingIo): CaptureReader {
  return readCapture(openCaptureSource(path, memory, io));
}

/** Makes the reader that a source's first bytes ask for; closes the source when there is none. */
export function readCapture(source: CaptureSource): CaptureReader {
  try {
    return choose(source);
  } catch (error) {
    source.close();
    throw error;
  }
}

function choose(source: CaptureSource): CaptureReader {
  if (!source.fill(4)) {
    if (source.available === 0) {
      throw new NearhopError('capture-empty', `${source.name}: is empty (0 bytes)`, {
        hint: 'check that the capture was written; a capture without packets still has a header',
      });
    }
    throw notACapture(source, source.available);
  }
  switch (source.view.getUint32(source.pos, true)) {
    case PCAP_MAGIC_US:
    case PCAP_MAGIC_NS:
    case PCAP_MAGIC_US_SWAPPED:
    case PCAP_MAGIC_NS_SWAPPED:
      return new PcapReader(source);
    case PCAPNG_SHB:
      return new PcapngReader(source);
    default:
      throw notACapture(source, 4);
  }
}

function notACapture(source: CaptureSource, bytes: number): NearhopError {
  const start = source.u8.slice(source.pos, source.pos + bytes);
  const hex = [...start].map((b) => b.toString(16).padStart(2, '0')).join(' ');
  const compressed = bytes < 2 ? undefined : COMPRESSED.get(source.view.getUint16(source.pos));
  return new NearhopError(
    'capture-format',
    `${source.name}: not a pcap or pcapng capture (starts with ${hex} at byte 0)`,
    {
      hint:
        compressed === undefined
          ? 'pcap and pcapng are read; `editcap IN OUT` converts other formats'
          : `compressed with ${compressed}: unpack it first, or pipe it in and read \`-\``,
    },
  );
}
