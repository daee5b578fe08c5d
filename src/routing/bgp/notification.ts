// NOTIFICATION: how a BGP speaker says why it closes a session (RFC 4271 §4.5).

import { CEASE_ADMIN_RESET, CEASE_ADMIN_SHUTDOWN, ERR_CEASE, notificationText } from './error.ts';
import { MSG_NOTIFICATION, messageOf } from './message.ts';

/** Most bytes of the offending message that a NOTIFICATION carries back. */
const MAX_DATA = 512;

export const encodeNotification = (code: number, subcode: number, data?: Uint8Array): Uint8Array => {
  const kept = data === undefined ? new Uint8Array(0) : data.subarray(0, MAX_DATA);
  const bytes = messageOf(MSG_NOTIFICATION, 2 + kept.length);
  bytes[19] = code;
  bytes[20] = subcode;
  bytes.set(kept, 21);
  return bytes;
};

/**
 * Administrative Shutdown or Reset with the operator's reason, RFC 9003 §2: one length byte and UTF-8 of at most 255 bytes.
 * A text that is longer is cut between two characters.
 */
export const encodeCease = (subcode: number, reason = ''): Uint8Array => {
  if (reason === '') return encodeNotification(ERR_CEASE, subcode);
  const data = new Uint8Array(256);
  const { written } = new TextEncoder().encodeInto(reason, data.subarray(1));
  data[0] = written;
  return encodeNotification(ERR_CEASE, subcode, data.subarray(0, 1 + written));
};

export interface Notification {
  readonly code: number;
  readonly subcode: number;
  readonly text: string;
}

/** Reads the body of a NOTIFICATION (at least 2 bytes, which the header's check guarantees). */
export const decodeNotification = (body: Uint8Array): Notification => {
  const code = body[0];
  const subcode = body[1];
  let text = notificationText(code, subcode);
  const isShutdown =
    code === ERR_CEASE && (subcode === CEASE_ADMIN_SHUTDOWN || subcode === CEASE_ADMIN_RESET);
  if (isShutdown && body.length > 3 && body[2] > 0 && body[2] <= body.length - 3) {
    text += ` "${printable(new TextDecoder().decode(body.subarray(3, 3 + body[2])))}"`;
  }
  return { code, subcode, text };
};

/** A peer's text goes to logs and terminals: control characters do not. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
const printable = (text: string): string => text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '?');
