// OPEN and its capabilities (RFC 4271 §4.2, RFC 5492), and what two OPENs agree on.
//
// Capabilities that we announce: multiprotocol (RFC 4760 §8), route refresh (RFC 2918), extended messages (RFC 8654),
// 4-octet AS numbers (RFC 6793). Graceful restart (RFC 4724) is read, so that a peer gets its End-of-RIB, but not announced:
// without it the routes of a gateway that died are gone from its peers at once, which is what a lab wants to see.

import { BgpError, ERR_OPEN } from './error.ts';
import { MSG_OPEN, messageOf } from './message.ts';
import { AFI, type Family, familyOf, SAFI_UNICAST } from './nlri.ts';

export const BGP_VERSION = 4;
/** Stands in the 2-octet field of a speaker whose AS number needs four (RFC 6793 §9). */
export const AS_TRANS = 23456;

const PARAM_CAPABILITIES = 2;
const PARAM_EXTENDED = 255;
const CAP_MULTIPROTOCOL = 1;
const CAP_ROUTE_REFRESH = 2;
const CAP_EXTENDED_MESSAGE = 6;
const CAP_GRACEFUL_RESTART = 64;
const CAP_FOUR_OCTET_AS = 65;

export interface OpenMessage {
  /** The AS number, from the 4-octet capability where there is one. */
  readonly as: number;
  /** Seconds; 0 means that neither keepalives nor a hold timer run. */
  readonly holdSeconds: number;
  /** BGP Identifier as u32. */
  readonly routerId: number;
  /** Families of the multiprotocol capability; IPv4 alone when the capability is absent (RFC 4760 §8). */
  readonly families: readonly Family[];
  readonly fourOctetAs: boolean;
  readonly routeRefresh: boolean;
  readonly extendedMessage: boolean;
  readonly gracefulRestart: boolean;
}

/** Our OPEN as a message. */
export const encodeOpen = (open: Omit<OpenMessage, 'fourOctetAs' | 'gracefulRestart'>): Uint8Array => {
  const caps: number[] = [];
  for (const family of open.families) caps.push(CAP_MULTIPROTOCOL, 4, 0, AFI[family], 0, SAFI_UNICAST);
  if (open.routeRefresh) caps.push(CAP_ROUTE_REFRESH, 0);
  if (open.extendedMessage) caps.push(CAP_EXTENDED_MESSAGE, 0);
  const as = open.as;
  caps.push(CAP_FOUR_OCTET_AS, 4, as >>> 24, (as >>> 16) & 0xff, (as >>> 8) & 0xff, as & 0xff);
  const bytes = messageOf(MSG_OPEN, 10 + 2 + caps.length);
  const view = new DataView(bytes.buffer);
  bytes[19] = BGP_VERSION;
  view.setUint16(20, as > 0xffff ? AS_TRANS : as);
  view.setUint16(22, open.holdSeconds);
  view.setUint32(24, open.routerId);
  bytes[28] = 2 + caps.length;
  bytes[29] = PARAM_CAPABILITIES;
  bytes[30] = caps.length;
  bytes.set(caps, 31);
  return bytes;
};

/** Reads the body of an OPEN with the checks of RFC 4271 §6.2 that need no knowledge of the peer. Throws BgpError. */
export const decodeOpen = (body: Uint8Array): OpenMessage => {
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  if (body[0] !== BGP_VERSION) {
    throw new BgpError(ERR_OPEN, 1, `version ${body[0]}`, Uint8Array.of(0, BGP_VERSION));
  }
  const holdSeconds = view.getUint16(3);
  if (holdSeconds === 1 || holdSeconds === 2) throw new BgpError(ERR_OPEN, 6, `${holdSeconds} s`);
  const routerId = view.getUint32(5);
  // RFC 6286 §2.1: any non-zero value will do, it need not look like a host address.
  if (routerId === 0) throw new BgpError(ERR_OPEN, 3, '0.0.0.0');
  const caps = {
    as: view.getUint16(1),
    families: [] as Family[],
    multiprotocol: false,
    fourOctetAs: false,
    routeRefresh: false,
    extendedMessage: false,
    gracefulRestart: false,
  };
  decodeParameters(body, view, caps);
  if (caps.as === 0) throw new BgpError(ERR_OPEN, 2, 'AS 0'); // RFC 7607 §2
  if (!caps.multiprotocol) caps.families.push('ipv4');
  const { multiprotocol: _, ...rest } = caps;
  return { ...rest, holdSeconds, routerId };
};

interface CapabilityDraft {
  as: number;
  families: Family[];
  multiprotocol: boolean;
  fourOctetAs: boolean;
  routeRefresh: boolean;
  extendedMessage: boolean;
  gracefulRestart: boolean;
}

const decodeParameters = (body: Uint8Array, view: DataView, draft: CapabilityDraft): void => {
  // RFC 9072 §2: type 255 in the place of the first parameter says that lengths have two octets.
  const extended = body.length >= 13 && body[9] !== 0 && body[10] === PARAM_EXTENDED;
  const lenBytes = extended ? 2 : 1;
  let off = extended ? 13 : 10;
  const total = extended ? view.getUint16(11) : body[9];
  if (off + total !== body.length) throw new BgpError(ERR_OPEN, 0, 'optional parameters have a wrong length');
  while (off < body.length) {
    if (off + 1 + lenBytes > body.length) throw new BgpError(ERR_OPEN, 0, 'optional parameter cut short');
    const type = body[off];
    const len = extended ? view.getUint16(off + 1) : body[off + 1];
    const end = off + 1 + lenBytes + len;
    if (end > body.length) throw new BgpError(ERR_OPEN, 0, 'optional parameter runs over the end');
    if (type !== PARAM_CAPABILITIES) throw new BgpError(ERR_OPEN, 4, `parameter ${type}`);
    decodeCapabilities(body, view, off + 1 + lenBytes, end, draft);
    off = end;
  }
};

const decodeCapabilities = (
  body: Uint8Array,
  view: DataView,
  off: number,
  end: number,
  draft: CapabilityDraft,
): void => {
  while (off < end) {
    const len = off + 2 <= end ? body[off + 1] : 0;
    const at = off + 2;
    if (at + len > end) throw new BgpError(ERR_OPEN, 0, 'capability runs over the end');
    const code = body[off];
    if (code === CAP_MULTIPROTOCOL && len === 4) {
      draft.multiprotocol = true;
      const family = familyOf(view.getUint16(at), body[at + 3]);
      if (family !== undefined && !draft.families.includes(family)) draft.families.push(family);
    } else if (code === CAP_FOUR_OCTET_AS && len === 4) {
      draft.fourOctetAs = true;
      draft.as = view.getUint32(at);
    } else if (code === CAP_ROUTE_REFRESH) draft.routeRefresh = true;
    else if (code === CAP_EXTENDED_MESSAGE) draft.extendedMessage = true;
    else if (code === CAP_GRACEFUL_RESTART) draft.gracefulRestart = true;
    off = at + len;
  }
};

/** What a session may do: the meeting of our OPEN and the peer's. */
export interface Negotiated {
  readonly peerAs: number;
  /** The peer's BGP Identifier as u32. */
  readonly peerId: number;
  readonly ebgp: boolean;
  /** 0 = no hold timer and no keepalives. */
  readonly holdMs: number;
  readonly keepaliveMs: number;
  readonly families: readonly Family[];
  readonly fourOctetAs: boolean;
  readonly routeRefresh: boolean;
  readonly extendedMessage: boolean;
  /** The peer knows graceful restart, so it waits for an End-of-RIB marker (RFC 4724 §2). */
  readonly endOfRib: boolean;
}

export interface LocalOpen {
  readonly as: number;
  readonly routerId: number;
  readonly peerAs: number;
  readonly holdSeconds: number;
  readonly keepaliveSeconds: number;
  readonly families: readonly Family[];
}

/** Checks the peer's OPEN against what we expect of it (RFC 4271 §6.2, RFC 6286 §2.2) and agrees on a session. Throws BgpError. */
export const negotiate = (local: LocalOpen, peer: OpenMessage): Negotiated => {
  if (peer.as !== local.peerAs) {
    throw new BgpError(ERR_OPEN, 2, `AS ${peer.as}, configured is ${local.peerAs}`);
  }
  const ebgp = peer.as !== local.as;
  if (!ebgp && peer.routerId === local.routerId) throw new BgpError(ERR_OPEN, 3, 'the same as our own');
  const families = local.families.filter((f) => peer.families.includes(f));
  if (families.length === 0) {
    // RFC 5492 §5: the data field lists the capabilities that made us refuse.
    const data = local.families.flatMap((f) => [CAP_MULTIPROTOCOL, 4, 0, AFI[f], 0, SAFI_UNICAST]);
    throw new BgpError(ERR_OPEN, 7, `no common address family`, Uint8Array.from(data));
  }
  const holdSeconds = Math.min(local.holdSeconds, peer.holdSeconds);
  const keepaliveSeconds = Math.min(local.keepaliveSeconds, holdSeconds / 3);
  return {
    peerAs: peer.as,
    peerId: peer.routerId,
    ebgp,
    holdMs: holdSeconds * 1000,
    keepaliveMs: keepaliveSeconds * 1000,
    families,
    fourOctetAs: peer.fourOctetAs,
    routeRefresh: peer.routeRefresh,
    extendedMessage: peer.extendedMessage,
    endOfRib: peer.gracefulRestart,
  };
};
