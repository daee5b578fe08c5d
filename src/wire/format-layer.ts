// What the formatters of the layers share: the bytes that a layer may read, and what it makes of them.

/** The bytes of one layer. A capture may hold fewer bytes (`off` to `end`) than there were on the wire (`len`). */
export interface Extent {
  readonly view: DataView;
  readonly off: number;
  /** Offset behind the last byte that is there. */
  readonly end: number;
  /** Bytes on the wire from `off` on. */
  readonly len: number;
  /** More of the message travels elsewhere (a fragment) or is lost: lengths and checksums inside cannot be held against it. */
  readonly partial: boolean;
}

/** A layer in words, and the frame that it carries, if any. */
export interface Layer {
  readonly text: string;
  readonly innerFrame?: Extent;
}

/** Bytes that are there. */
export const held = (x: Extent): number => x.end - x.off;

/** Whether the whole message is there, so that a checksum over it says something. */
export const isWhole = (x: Extent): boolean => !x.partial && held(x) >= x.len;

/** The part of `x` from `skip` bytes on; `len` bytes of it on the wire, or what is left. */
export function within(x: Extent, skip: number, len = x.len - skip, partial = x.partial): Extent {
  const off = x.off + skip;
  const rest = Math.max(0, Math.min(len, x.len - skip));
  return { view: x.view, off, end: Math.max(off, Math.min(x.end, off + rest)), len: rest, partial };
}

/** The layer has fewer bytes than its header: as tcpdump marks it. */
export const cut = (name: string): string => `[|${name}]`;

export const hex = (n: number, digits = 4): string => `0x${n.toString(16).padStart(digits, '0')}`;
