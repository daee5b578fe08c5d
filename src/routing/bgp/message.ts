// BGP messages: the header that all five share (RFC 4271 §4.1), and its checks (§6.1). Bodies have files of their own.
//
// A message's way in: MessageReader (framing.ts) finds its end with `messageLength`, the FSM (fsm.ts) hands the body to
// decodeOpen, decodeUpdate, decodeNotification or decodeRouteRefresh.

import { BgpError, ERR_HEADER } from './error.ts';

export const BGP_PORT = 179;
/** Bytes of marker, length and type. */
export const HEADER_LEN = 19;
/** Largest message, RFC 4271 §4.1; every message that we send keeps to it. */
export const MAX_MESSAGE = 4096;
/** Largest message once both sides have the Extended Message capability, RFC 8654 §4 (never OPEN and KEEPALIVE). */
export const MAX_EXTENDED_MESSAGE = 65535;

export const MSG_OPEN = 1;
export const MSG_UPDATE = 2;
export const MSG_NOTIFICATION = 3;
export const MSG_KEEPALIVE = 4;
export const MSG_ROUTE_REFRESH = 5;

/** Names by type, as counters and logs show them. */
export const MESSAGE_NAMES = ['', 'open', 'update', 'notification', 'keepalive', 'routeRefresh'] as const;
export type MessageName = Exclude<(typeof MESSAGE_NAMES)[number], ''>;

/** Shortest legal message by type, RFC 4271 §6.1 and RFC 2918 §3. */
const MIN_LENGTH = [0, 29, 23, 21, 19, 23];

/** A message of `bodyLen` zero bytes behind a finished header. */
export const messageOf = (type: number, bodyLen: number): Uint8Array => {
  const bytes = new Uint8Array(HEADER_LEN + bodyLen);
  writeHeader(bytes, type, bytes.length);
  return bytes;
};

/** Writes marker, length and type over the first 19 bytes. */
export const writeHeader = (bytes: Uint8Array, type: number, length: number): void => {
  bytes.fill(0xff, 0, 16);
  bytes[16] = length >>> 8;
  bytes[17] = length & 0xff;
  bytes[18] = type;
};

const KEEPALIVE = messageOf(MSG_KEEPALIVE, 0);

/** The KEEPALIVE message: it is always the same 19 bytes, which nobody changes. */
export const encodeKeepalive = (): Uint8Array => KEEPALIVE;

/**
 * Length of the message whose header stands at `off` (19 bytes must be there), checked as RFC 4271 §6.1 wants it.
 * Throws BgpError with the NOTIFICATION's data: the bad length, or the bad type.
 * @param extended whether both sides announced the Extended Message capability.
 */
export const messageLength = (bytes: Uint8Array, off: number, extended: boolean): number => {
  for (let i = 0; i < 16; i++) {
    if (bytes[off + i] !== 0xff) throw new BgpError(ERR_HEADER, 1, 'marker is not all ones');
  }
  const length = (bytes[off + 16] << 8) | bytes[off + 17];
  const type = bytes[off + 18];
  if (type < MSG_OPEN || type > MSG_ROUTE_REFRESH) {
    throw new BgpError(ERR_HEADER, 3, `type ${type}`, Uint8Array.of(type));
  }
  const large = extended && type !== MSG_OPEN && type !== MSG_KEEPALIVE;
  const max = type === MSG_KEEPALIVE ? HEADER_LEN : large ? MAX_EXTENDED_MESSAGE : MAX_MESSAGE;
  if (length < MIN_LENGTH[type] || length > max) {
    const detail = `${length} bytes of ${MESSAGE_NAMES[type]}`;
    throw new BgpError(ERR_HEADER, 2, detail, bytes.slice(off + 16, off + 18));
  }
  return length;
};
