// MAC addresses as text. In the rest of the code a MAC is two numbers: its high 16 and its low 32 bits.

import { NearhopError } from '../base/errors.ts';

export interface Mac {
  /** First two octets. */
  readonly hi: number;
  /** Last four octets, as u32. */
  readonly lo: number;
}

const COLON = /^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/i;
const HYPHEN = /^[0-9a-f]{2}(?:-[0-9a-f]{2}){5}$/i;
const DOTS = /^[0-9a-f]{4}(?:\.[0-9a-f]{4}){2}$/i;

/** Parses aa:bb:cc:dd:ee:ff, aa-bb-cc-dd-ee-ff or aabb.ccdd.eeff. Throws `mac-malformed` for anything else. */
export function parseMac(text: string): Mac {
  if (!COLON.test(text) && !HYPHEN.test(text) && !DOTS.test(text)) {
    throw new NearhopError('mac-malformed', `'${text}' is not a MAC address`, {
      hint: 'write it as 02:00:00:00:10:01, 02-00-00-00-10-01 or 0200.0000.1001',
    });
  }
  const digits = text.replace(/[:.-]/g, '');
  return { hi: Number.parseInt(digits.slice(0, 4), 16), lo: Number.parseInt(digits.slice(4), 16) };
}

/** Lower-case octets with colons. */
export function formatMac(hi: number, lo: number): string {
  const digits = hi.toString(16).padStart(4, '0') + lo.toString(16).padStart(8, '0');
  return `${digits.slice(0, 2)}:${digits.slice(2, 4)}:${digits.slice(4, 6)}:${digits.slice(6, 8)}:${digits.slice(8, 10)}:${digits.slice(10)}`;
}

/** Whether the address names a group: multicast or broadcast (I/G bit, IEEE 802 §8.4). */
export const macIsGroup = (hi: number): boolean => (hi & 0x0100) !== 0;
