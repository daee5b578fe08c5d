// What can be wrong with a session, as RFC 4271 §6 numbers it. Every decoder throws `BgpError` and nothing else, and the
// session turns it into the NOTIFICATION that tells the peer (notification.ts).

// Error codes, RFC 4271 §4.5, RFC 7313 §5, RFC 9687 §3.
export const ERR_HEADER = 1;
export const ERR_OPEN = 2;
export const ERR_UPDATE = 3;
export const ERR_HOLD_TIMER = 4;
export const ERR_FSM = 5;
export const ERR_CEASE = 6;
export const ERR_SEND_HOLD_TIMER = 8;

// Subcodes of ERR_CEASE, RFC 4486 §4.
export const CEASE_MAX_PREFIXES = 1;
export const CEASE_ADMIN_SHUTDOWN = 2;
export const CEASE_ADMIN_RESET = 4;
export const CEASE_CONNECTION_REJECTED = 5;
export const CEASE_COLLISION = 7;

/** Names by code: the code's own name first, then those of subcodes 1, 2, ... */
const NAMES: Readonly<Record<number, readonly string[]>> = {
  1: ['Message Header Error', 'Connection Not Synchronized', 'Bad Message Length', 'Bad Message Type'],
  2: [
    'OPEN Message Error',
    'Unsupported Version Number',
    'Bad Peer AS',
    'Bad BGP Identifier',
    'Unsupported Optional Parameter',
    'Authentication Failure',
    'Unacceptable Hold Time',
    'Unsupported Capability',
  ],
  3: [
    'UPDATE Message Error',
    'Malformed Attribute List',
    'Unrecognized Well-known Attribute',
    'Missing Well-known Attribute',
    'Attribute Flags Error',
    'Attribute Length Error',
    'Invalid ORIGIN Attribute',
    'AS Routing Loop',
    'Invalid NEXT_HOP Attribute',
    'Optional Attribute Error',
    'Invalid Network Field',
    'Malformed AS_PATH',
  ],
  4: ['Hold Timer Expired'],
  5: [
    'Finite State Machine Error',
    'Unexpected Message in OpenSent',
    'Unexpected Message in OpenConfirm',
    'Unexpected Message in Established',
  ],
  6: [
    'Cease',
    'Maximum Number of Prefixes Reached',
    'Administrative Shutdown',
    'Peer De-configured',
    'Administrative Reset',
    'Connection Rejected',
    'Other Configuration Change',
    'Connection Collision Resolution',
    'Out of Resources',
    'Hard Reset',
    'BFD Down',
  ],
  7: ['ROUTE-REFRESH Message Error', 'Invalid Message Length'],
  8: ['Send Hold Timer Expired'],
};

/** "Cease/Administrative Shutdown", or numbers where the registry knows no name. */
export const notificationText = (code: number, subcode: number): string => {
  const names = NAMES[code];
  if (names === undefined) return `code ${code}/${subcode}`;
  if (subcode === 0) return names[0];
  return `${names[0]}/${names[subcode] ?? `subcode ${subcode}`}`;
};

/** What a peer did wrong, as the NOTIFICATION that tells it so. */
export class BgpError extends Error {
  readonly code: number;
  readonly subcode: number;
  readonly data: Uint8Array;
  constructor(code: number, subcode: number, detail = '', data: Uint8Array = new Uint8Array(0)) {
    super(notificationText(code, subcode) + (detail === '' ? '' : `: ${detail}`));
    this.name = 'BgpError';
    this.code = code;
    this.subcode = subcode;
    this.data = data;
  }
}
