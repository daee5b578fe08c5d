// Reads a peer's path attributes. What is wrong with one decides what happens (RFC 7606 §3, §7):
//   session reset       throw BgpError                           the prefixes cannot be found, so nothing can be trusted
//   treat-as-withdraw   fault, and all prefixes are taken back   the prefixes are known, what is said of them is not
//   attribute discard   fault, and the attribute is ignored      what is lost does not matter for the choice of routes

import { type AsPath, asPathFirst, decodeAsPath, mergeAs4Path } from './as-path.ts';
import * as A from './attributes.ts';
import { BgpError, ERR_UPDATE } from './error.ts';
import { type Address, decodeNlri, type Family, familyOf, type Nlri } from './nlri.ts';
import { AS_TRANS } from './open.ts';

/** What a decoder must know of the session that an UPDATE came by. */
export interface UpdateContext {
  readonly fourOctetAs: boolean;
  readonly ebgp: boolean;
  readonly peerAs: number;
  /** Refuse a route whose path does not begin with the peer's AS (RFC 4271 §6.3); off for a route server (RFC 7947 §2.2.2). */
  readonly enforceFirstAs: boolean;
  readonly families: readonly Family[];
}

export interface AttributeFault {
  /** Code of the attribute, 0 for the list as a whole. */
  readonly attribute: number;
  readonly action: 'treat-as-withdraw' | 'attribute-discard';
  readonly text: string;
}

export interface MpReach {
  readonly family: Family;
  readonly nextHop: Address;
  readonly nlri: Nlri[];
}

export interface DecodedAttributes {
  readonly attributes: A.PathAttributes;
  readonly nextHop: number | undefined;
  readonly mpReach: MpReach | undefined;
  /** `family` is undefined when the peer withdraws of a family that this session does not carry. */
  readonly mpUnreach: { readonly family: Family | undefined; readonly nlri: Nlri[] } | undefined;
  /** Codes of all attributes that were there. */
  readonly seen: ReadonlySet<number>;
  readonly faults: readonly AttributeFault[];
}

const WELL_KNOWN = A.FLAG_TRANSITIVE;
const OPTIONAL = A.FLAG_OPTIONAL;
const OPTIONAL_TRANSITIVE = A.FLAG_OPTIONAL | A.FLAG_TRANSITIVE;

/** How each attribute that we know must look: its flags, and its length (n: exactly n; [n]: a positive multiple of n; 0: any). */
const SHAPES: ReadonlyMap<number, { readonly flags: number; readonly length: number | readonly [number] }> =
  new Map([
    [A.ATTR_ORIGIN, { flags: WELL_KNOWN, length: 1 }],
    [A.ATTR_AS_PATH, { flags: WELL_KNOWN, length: 0 }],
    [A.ATTR_NEXT_HOP, { flags: WELL_KNOWN, length: 4 }],
    [A.ATTR_MED, { flags: OPTIONAL, length: 4 }],
    [A.ATTR_LOCAL_PREF, { flags: WELL_KNOWN, length: 4 }],
    [A.ATTR_ATOMIC_AGGREGATE, { flags: WELL_KNOWN, length: 0 }],
    [A.ATTR_AGGREGATOR, { flags: OPTIONAL_TRANSITIVE, length: 0 }],
    [A.ATTR_COMMUNITIES, { flags: OPTIONAL_TRANSITIVE, length: [4] }],
    [A.ATTR_ORIGINATOR_ID, { flags: OPTIONAL, length: 4 }],
    [A.ATTR_CLUSTER_LIST, { flags: OPTIONAL, length: [4] }],
    [A.ATTR_MP_REACH, { flags: OPTIONAL, length: 0 }],
    [A.ATTR_MP_UNREACH, { flags: OPTIONAL, length: 0 }],
    [A.ATTR_EXT_COMMUNITIES, { flags: OPTIONAL_TRANSITIVE, length: [8] }],
    [A.ATTR_AS4_PATH, { flags: OPTIONAL_TRANSITIVE, length: 0 }],
    [A.ATTR_AS4_AGGREGATOR, { flags: OPTIONAL_TRANSITIVE, length: 0 }],
    [A.ATTR_LARGE_COMMUNITIES, { flags: OPTIONAL_TRANSITIVE, length: [12] }],
  ]);

/** Reads the attributes in `bytes[off..end-1]`. Throws BgpError where RFC 7606 asks for a session reset. */
export const decodeAttributes = (
  bytes: Uint8Array,
  off: number,
  end: number,
  context: UpdateContext,
): DecodedAttributes => new Decoder(bytes, context).run(off, end);

class Decoder {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #context: UpdateContext;
  readonly #seen = new Set<number>();
  readonly #faults: AttributeFault[] = [];
  #origin: A.Origin = 'incomplete';
  #asPath: AsPath = [];
  #as4Path: AsPath | undefined;
  #aggregatorAs: number | undefined;
  #nextHop: number | undefined;
  #med: number | undefined;
  #localPref: number | undefined;
  #atomicAggregate = false;
  #communities: readonly number[] = [];
  #originatorId: number | undefined;
  #clusterList: readonly number[] = [];
  #mpReach: MpReach | undefined;
  #mpUnreach: { family: Family | undefined; nlri: Nlri[] } | undefined;

  constructor(bytes: Uint8Array, context: UpdateContext) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#context = context;
  }

  run(off: number, end: number): DecodedAttributes {
    while (off < end) {
      const flags = this.#bytes[off];
      const headerLen = (flags & A.FLAG_EXTENDED_LENGTH) !== 0 ? 4 : 3;
      if (off + headerLen > end) {
        this.#withdraw(0, 'attribute header cut short');
        break;
      }
      const type = this.#bytes[off + 1];
      const length = headerLen === 4 ? this.#view.getUint16(off + 2) : this.#bytes[off + 2];
      const at = off + headerLen;
      if (at + length > end) {
        this.#withdraw(type, 'attribute runs over the end of the list'); // RFC 7606 §4
        break;
      }
      this.#attribute(flags, type, at, length);
      off = at + length;
    }
    return this.#result();
  }

  #attribute(flags: number, type: number, at: number, length: number): void {
    if (this.#seen.has(type)) {
      // RFC 7606 §3 g: the first one counts, except where prefixes would be lost.
      if (type === A.ATTR_MP_REACH || type === A.ATTR_MP_UNREACH) {
        throw new BgpError(ERR_UPDATE, 1, `attribute ${type} twice`);
      }
      this.#discard(type, 'attribute stands there twice');
      return;
    }
    this.#seen.add(type);
    const { ebgp } = this.#context;
    const isInternal =
      type === A.ATTR_LOCAL_PREF || type === A.ATTR_ORIGINATOR_ID || type === A.ATTR_CLUSTER_LIST;
    if (ebgp && isInternal) return; // not from an external peer: ignored, whatever it holds (RFC 7606 §7.5, §7.9, §7.10)
    const shape = SHAPES.get(type);
    if (shape === undefined) {
      if ((flags & A.FLAG_OPTIONAL) === 0) {
        throw new BgpError(ERR_UPDATE, 2, `attribute ${type}`, this.#bytes.slice(at - 3, at + length));
      }
      return;
    }
    if ((flags & (A.FLAG_OPTIONAL | A.FLAG_TRANSITIVE)) !== shape.flags) {
      this.#withdraw(type, `flags 0x${flags.toString(16)}`);
    }
    const isExact = typeof shape.length === 'number';
    const fits = isExact
      ? shape.length === 0 || length === shape.length
      : length > 0 && length % shape.length[0] === 0;
    if (!fits) this.#withdraw(type, `length ${length}`);
    else this.#value(type, at, length);
  }

  #value(type: number, at: number, length: number): void {
    const view = this.#view;
    switch (type) {
      case A.ATTR_ORIGIN: {
        const value = view.getUint8(at);
        if (value < A.ORIGINS.length) this.#origin = A.ORIGINS[value];
        else this.#withdraw(type, `value ${value}`);
        break;
      }
      case A.ATTR_AS_PATH:
        this.#asPathAttribute(at, length);
        break;
      case A.ATTR_NEXT_HOP:
        this.#nextHop = view.getUint32(at);
        break;
      case A.ATTR_MED:
        this.#med = view.getUint32(at);
        break;
      case A.ATTR_LOCAL_PREF:
        this.#localPref = view.getUint32(at);
        break;
      case A.ATTR_ATOMIC_AGGREGATE:
        if (length === 0) this.#atomicAggregate = true;
        else this.#discard(type, `length ${length}`);
        break;
      case A.ATTR_AGGREGATOR: {
        const asBytes = this.#context.fourOctetAs ? 4 : 2;
        if (length !== asBytes + 4) this.#discard(type, `length ${length}`);
        else this.#aggregatorAs = asBytes === 4 ? view.getUint32(at) : view.getUint16(at);
        break;
      }
      case A.ATTR_COMMUNITIES:
        this.#communities = this.#words(at, length);
        break;
      case A.ATTR_ORIGINATOR_ID:
        this.#originatorId = view.getUint32(at);
        break;
      case A.ATTR_CLUSTER_LIST:
        this.#clusterList = this.#words(at, length);
        break;
      case A.ATTR_MP_REACH:
        this.#mpReachAttribute(at, length);
        break;
      case A.ATTR_MP_UNREACH:
        this.#mpUnreachAttribute(at, length);
        break;
      case A.ATTR_AS4_PATH:
        // A new speaker must not send it; from an old one it may be broken without harm (RFC 6793 §4.1, §6).
        if (this.#context.fourOctetAs) this.#discard(type, 'not from a speaker of 4-octet AS numbers');
        else if (!(this.#as4Path = decodeAsPath(view, at, at + length, 4))) this.#discard(type, 'malformed');
        break;
    }
  }

  #asPathAttribute(at: number, length: number): void {
    const { fourOctetAs, ebgp, enforceFirstAs, peerAs } = this.#context;
    const path = decodeAsPath(this.#view, at, at + length, fourOctetAs ? 4 : 2);
    if (path === undefined) {
      this.#withdraw(A.ATTR_AS_PATH, 'malformed');
      return;
    }
    this.#asPath = path;
    const expected = !fourOctetAs && peerAs > 0xffff ? AS_TRANS : peerAs;
    if (ebgp && enforceFirstAs && asPathFirst(path) !== expected) {
      this.#withdraw(A.ATTR_AS_PATH, `first AS is ${asPathFirst(path) ?? 'none'}, not the peer's ${peerAs}`);
    }
  }

  /** RFC 4760 §3. Anything wrong in it hides prefixes, so it resets the session (RFC 7606 §7.11). */
  #mpReachAttribute(at: number, length: number): void {
    const fail = (text: string) => new BgpError(ERR_UPDATE, 9, `MP_REACH_NLRI: ${text}`);
    if (length < 5) throw fail(`length ${length}`);
    const nextHopLen = this.#bytes[at + 3];
    const nlriAt = at + 4 + nextHopLen + 1;
    if (nlriAt > at + length) throw fail(`next hop of ${nextHopLen} bytes`);
    const family = this.#family(at);
    if (family === undefined) return;
    const isGood = family === 'ipv4' ? nextHopLen === 4 : nextHopLen === 16 || nextHopLen === 32;
    if (!isGood) throw fail(`next hop of ${nextHopLen} bytes`);
    const nlri: Nlri[] = [];
    if (!decodeNlri(this.#bytes, nlriAt, at + length, family, nlri)) throw fail('bad prefix');
    const nextHop: Address = family === 'ipv4' ? this.#view.getUint32(at + 4) : this.#ipv6(at + 4);
    this.#mpReach = { family, nextHop, nlri };
  }

  /** RFC 4760 §4. */
  #mpUnreachAttribute(at: number, length: number): void {
    if (length < 3) throw new BgpError(ERR_UPDATE, 9, `MP_UNREACH_NLRI: length ${length}`);
    const family = this.#family(at);
    const nlri: Nlri[] = [];
    if (family !== undefined && !decodeNlri(this.#bytes, at + 3, at + length, family, nlri)) {
      throw new BgpError(ERR_UPDATE, 9, 'MP_UNREACH_NLRI: bad prefix');
    }
    this.#mpUnreach = { family, nlri };
  }

  /** Family whose AFI is at `at`, if the session carries it; SAFI is the third byte (MP_REACH and MP_UNREACH alike). */
  #family(at: number): Family | undefined {
    const family = familyOf(this.#view.getUint16(at), this.#bytes[at + 2]);
    return family !== undefined && this.#context.families.includes(family) ? family : undefined;
  }

  #ipv6(at: number): Address {
    const v = this.#view;
    return [v.getUint32(at), v.getUint32(at + 4), v.getUint32(at + 8), v.getUint32(at + 12)];
  }

  #words(at: number, length: number): number[] {
    const words: number[] = [];
    for (let off = at; off < at + length; off += 4) words.push(this.#view.getUint32(off));
    return words;
  }

  #withdraw(attribute: number, text: string): void {
    this.#faults.push({ attribute, action: 'treat-as-withdraw', text });
  }

  #discard(attribute: number, text: string): void {
    this.#faults.push({ attribute, action: 'attribute-discard', text });
  }

  #result(): DecodedAttributes {
    // RFC 6793 §4.2.3: an aggregator that is not AS_TRANS stands behind the last old speaker, so AS4_PATH is older than it.
    const isOlder = this.#aggregatorAs !== undefined && this.#aggregatorAs !== AS_TRANS;
    const asPath =
      this.#as4Path !== undefined && !isOlder ? mergeAs4Path(this.#asPath, this.#as4Path) : this.#asPath;
    return {
      attributes: {
        origin: this.#origin,
        asPath,
        med: this.#med,
        localPref: this.#localPref,
        atomicAggregate: this.#atomicAggregate,
        communities: this.#communities,
        originatorId: this.#originatorId,
        clusterList: this.#clusterList,
      },
      nextHop: this.#nextHop,
      mpReach: this.#mpReach,
      mpUnreach: this.#mpUnreach,
      seen: this.#seen,
      faults: this.#faults,
    };
  }
}
