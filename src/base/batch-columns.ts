// Where a batch's columns lie in the slab, in bytes behind their first one: for views in TypeScript and for loops in
// WebAssembly (dataplane/assembly), which must agree. Plain numbers, so that both compilers can read this file.

/** Slots of a batch: received packets, and those that the gateway makes in the round. */
export const BATCH_SLOTS = 2048;

/** `offload` bit: the 10 bytes in front of the frame are a valid virtio_net_hdr (virtio 1.2 §5.1.6). */
export const OFFLOAD_VNET = 1;
/** `offload` bit: the L4 checksum is partial (VIRTIO_NET_HDR_F_NEEDS_CSUM); csum_start/csum_offset say where. */
export const OFFLOAD_CSUM = 2;
/** `offload` bit: the frame is a GSO frame, to be split into gso_size segments by whoever needs plain frames. */
export const OFFLOAD_GSO = 4;

/** A line of the cache lies between columns, so that the same slot of all of them is not in one set of it. */
export const OFF_AT = 0; // Int32
export const LEN_AT = 8256; // Int32
export const PORT_AT = 16512; // Uint16
export const IFACE_AT = 20672; // Uint16
export const OUT_IFACE_AT = 24832; // Uint16
export const OFFLOAD_AT = 28992; // Uint8

// Of the fast path, by position in its vector and not by slot.
/** IPv4 destination as a number. */
export const DST_AT = 31104; // Uint32
/** IPv4 source; then -1 where the addresses are not those of a common packet, else 0. */
export const SRC_AT = 39360; // Uint32
/** What the FIB says of the destination. */
export const NEXT_HOP_AT = 47616; // Uint16
/** 16 bytes that a frame has to begin with, and 12 bytes that it shall begin with. */
export const EXPECTED_AT = 51776;
export const REWRITE_AT = 51792;
/** What the loops saw, a Uint32 each. */
export const SEEN_AT = 51808;
export const SEEN_FRAME_BYTES = 0; // of the frames of a run
export const SEEN_PACKET_BYTES = 1; // of its packets, by their IPv4 headers
export const SEEN_OFFLOADS = 2; // offload bits of all packets together
export const SEEN_STOP = 3; // why a run has ended, STOP_*
export const SEEN_WORDS = 4;
/** All positions are done, or another next hop follows. */
export const STOP_END = 0;
/** The next frame ends in the gateway, and later ones may overtake it. */
export const STOP_ENDS_HERE = 1;
/** Only the long way knows what to do with the next frame. */
export const STOP_LONG_WAY = 2;
/** The next packet is common but for its size. */
export const STOP_OVER_MTU = 3;

export const COLUMN_BYTES = 51840;
