// UPDATE (RFC 4271 §4.3, RFC 4760): which prefixes a peer announces and takes back, and our own packed into few messages.
//
//   2 bytes length, withdrawn prefixes | 2 bytes length, path attributes | announced prefixes
// IPv4 travels in the outer fields, IPv6 in the attributes MP_REACH_NLRI and MP_UNREACH_NLRI.

import { assert } from '../../base/errors.ts';
import {
  ATTR_AS_PATH,
  ATTR_MP_REACH,
  ATTR_MP_UNREACH,
  ATTR_NEXT_HOP,
  ATTR_ORIGIN,
  addressBytes,
  encodeAttributes,
  FLAG_EXTENDED_LENGTH,
  FLAG_OPTIONAL,
  type OwnAttributes,
  type PathAttributes,
} from './attributes.ts';
import { type AttributeFault, decodeAttributes, type UpdateContext } from './attributes-decode.ts';
import { BgpError, ERR_UPDATE } from './error.ts';
import { HEADER_LEN, MAX_MESSAGE, MSG_UPDATE, messageOf, writeHeader } from './message.ts';
import {
  type Address,
  AFI,
  decodeNlri,
  encodeNlri,
  type Family,
  type Nlri,
  nlriBytes,
  SAFI_UNICAST,
} from './nlri.ts';

export interface AnnouncedPrefixes {
  readonly nextHop: Address;
  readonly nlri: readonly Nlri[];
}

export interface UpdateMessage {
  /** Prefixes that the peer takes back, and those that count as taken back because of a fault (RFC 7606). */
  readonly withdrawn: readonly Nlri[];
  readonly announced: readonly AnnouncedPrefixes[];
  readonly attributes: PathAttributes;
  /** Set when the message is the End-of-RIB marker of a family (RFC 4724 §2). */
  readonly endOfRib: Family | undefined;
  readonly faults: readonly AttributeFault[];
}

/** Reads the body of an UPDATE (at least 4 bytes). Throws BgpError where the session must end. */
export const decodeUpdate = (body: Uint8Array, context: UpdateContext): UpdateMessage => {
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  const withdrawnLen = view.getUint16(0);
  const attributesLenAt = 2 + withdrawnLen;
  if (attributesLenAt + 2 > body.length) throw new BgpError(ERR_UPDATE, 1, 'withdrawn routes length');
  const attributesAt = attributesLenAt + 2;
  const nlriAt = attributesAt + view.getUint16(attributesLenAt);
  if (nlriAt > body.length) throw new BgpError(ERR_UPDATE, 1, 'total path attribute length');

  const withdrawn: Nlri[] = [];
  const nlri: Nlri[] = [];
  if (!decodeNlri(body, 2, attributesLenAt, 'ipv4', withdrawn)) {
    throw new BgpError(ERR_UPDATE, 10, 'withdrawn routes');
  }
  if (!decodeNlri(body, nlriAt, body.length, 'ipv4', nlri)) throw new BgpError(ERR_UPDATE, 10);
  const decoded = decodeAttributes(body, attributesAt, nlriAt, context);
  const { mpReach, mpUnreach, seen } = decoded;
  const faults = [...decoded.faults];
  const mpNlri = mpReach?.nlri ?? [];
  if (nlri.length + mpNlri.length > 0) faults.push(...missing(seen, nlri.length > 0));

  const treatAsWithdraw = faults.find((f) => f.action === 'treat-as-withdraw');
  const isWithdrawOnly = treatAsWithdraw?.attribute === ATTR_MP_UNREACH && seen.size === 1;
  if (treatAsWithdraw !== undefined && nlri.length + mpNlri.length === 0 && !isWithdrawOnly) {
    // RFC 7606 §5.2: attributes for no prefix, and damaged: we may have lost the prefixes.
    const text = `attribute ${treatAsWithdraw.attribute}: ${treatAsWithdraw.text}`;
    throw new BgpError(ERR_UPDATE, 1, `${text}, and no prefix to withdraw`);
  }
  const carriesIpv4 = context.families.includes('ipv4');
  const withdrawnIpv4 = carriesIpv4 ? withdrawn : [];
  const allWithdrawn = mpUnreach === undefined ? withdrawnIpv4 : [...withdrawnIpv4, ...mpUnreach.nlri];
  const announced: AnnouncedPrefixes[] = [];
  if (carriesIpv4 && nlri.length > 0) announced.push({ nextHop: decoded.nextHop ?? 0, nlri });
  if (mpReach !== undefined && mpNlri.length > 0) announced.push({ nextHop: mpReach.nextHop, nlri: mpNlri });

  let endOfRib: Family | undefined;
  if (body.length === 4) endOfRib = 'ipv4';
  else if (mpUnreach !== undefined && seen.size === 1 && allWithdrawn.length === 0 && nlri.length === 0) {
    endOfRib = mpUnreach.family;
  }
  return {
    withdrawn:
      treatAsWithdraw === undefined ? allWithdrawn : [...allWithdrawn, ...announced.flatMap((a) => a.nlri)],
    announced: treatAsWithdraw === undefined ? announced : [],
    attributes: decoded.attributes,
    endOfRib,
    faults,
  };
};

/** Mandatory attributes that are not there (RFC 4271 §5): treat-as-withdraw (RFC 7606 §3 d). */
const missing = (seen: ReadonlySet<number>, needsNextHop: boolean): AttributeFault[] => {
  const mandatory = needsNextHop ? [ATTR_ORIGIN, ATTR_AS_PATH, ATTR_NEXT_HOP] : [ATTR_ORIGIN, ATTR_AS_PATH];
  return mandatory
    .filter((attribute) => !seen.has(attribute))
    .map((attribute) => ({ attribute, action: 'treat-as-withdraw', text: 'missing' }));
};

/** UPDATEs that take the prefixes back, all of one family, each message as full as 4096 bytes allow. */
export const encodeWithdraws = (family: Family, nlri: readonly Nlri[]): Uint8Array[] => {
  if (family === 'ipv4') {
    return pack(nlri, MAX_MESSAGE - HEADER_LEN - 4, (size, write) => {
      const bytes = messageOf(MSG_UPDATE, 4 + size);
      new DataView(bytes.buffer).setUint16(19, size);
      write(bytes, 21);
      return bytes;
    });
  }
  const head = [0, 0, 0, 0, FLAG_OPTIONAL | FLAG_EXTENDED_LENGTH, ATTR_MP_UNREACH, 0, 0];
  head.push(0, AFI[family], SAFI_UNICAST);
  return pack(nlri, MAX_MESSAGE - HEADER_LEN - head.length, (size, write) => {
    const bytes = messageOf(MSG_UPDATE, head.length + size);
    const view = new DataView(bytes.buffer);
    bytes.set(head, 19);
    view.setUint16(21, 7 + size);
    view.setUint16(25, 3 + size);
    write(bytes, 19 + head.length);
    return bytes;
  });
};

/** UPDATEs that announce the prefixes, all of one family and with the same attributes and next hop. */
export const encodeAnnouncements = (
  family: Family,
  nlri: readonly Nlri[],
  attributes: OwnAttributes,
  nextHop: Address,
  fourOctetAs: boolean,
): Uint8Array[] => {
  const isIpv4 = family === 'ipv4' && typeof nextHop === 'number';
  const common = encodeAttributes(attributes, isIpv4 ? nextHop : undefined, fourOctetAs);
  const hop = isIpv4 ? [] : addressBytes(nextHop);
  // IPv6: flags, code, 2 bytes length, AFI, SAFI, next hop with its length, a reserved byte, then the prefixes.
  const mpHead = isIpv4
    ? []
    : [FLAG_OPTIONAL | FLAG_EXTENDED_LENGTH, ATTR_MP_REACH, 0, 0, 0, AFI[family], SAFI_UNICAST, hop.length];
  if (!isIpv4) mpHead.push(...hop, 0);
  const fixed = 4 + mpHead.length + common.length;
  return pack(nlri, MAX_MESSAGE - HEADER_LEN - fixed, (size, write) => {
    const bytes = new Uint8Array(HEADER_LEN + fixed + size);
    const view = new DataView(bytes.buffer);
    writeHeader(bytes, MSG_UPDATE, bytes.length);
    view.setUint16(21, fixed - 4 + (isIpv4 ? 0 : size));
    if (isIpv4) {
      bytes.set(common, 23);
      write(bytes, 23 + common.length);
    } else {
      // MP_REACH_NLRI first (RFC 7606 §5.1), so that a reader finds the prefixes whatever follows.
      bytes.set(mpHead, 23);
      view.setUint16(25, mpHead.length - 4 + size);
      bytes.set(common, write(bytes, 23 + mpHead.length));
    }
    return bytes;
  });
};

/** The End-of-RIB marker of a family, RFC 4724 §2. */
export const encodeEndOfRib = (family: Family): Uint8Array => {
  if (family === 'ipv4') return messageOf(MSG_UPDATE, 4);
  const bytes = messageOf(MSG_UPDATE, 10);
  bytes.set([0, 0, 0, 6, FLAG_OPTIONAL, ATTR_MP_UNREACH, 3, 0, AFI[family], SAFI_UNICAST], 19);
  return bytes;
};

/** Cuts `nlri` into runs of at most `room` bytes and lets `build` make a message of each. */
const pack = (
  nlri: readonly Nlri[],
  room: number,
  build: (size: number, write: (bytes: Uint8Array, off: number) => number) => Uint8Array,
): Uint8Array[] => {
  const messages: Uint8Array[] = [];
  let from = 0;
  while (from < nlri.length) {
    let to = from;
    let size = 0;
    while (to < nlri.length && size + nlriBytes(nlri[to]) <= room) size += nlriBytes(nlri[to++]);
    assert(to > from, 'the attributes leave room for a prefix');
    const start = from;
    const end = to;
    messages.push(
      build(size, (bytes, off) => {
        for (let i = start; i < end; i++) off = encodeNlri(bytes, off, nlri[i]);
        return off;
      }),
    );
    from = to;
  }
  return messages;
};
