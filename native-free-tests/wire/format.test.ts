import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseIpv4 } from '../../src/addr/ipv4.ts';
import { ARP_REPLY, ARP_REQUEST, arpEmit, RARP_REQUEST } from '../../src/wire/arp.ts';
import { dot1qPush } from '../../src/wire/dot1q.ts';
import { ETHERTYPE_ARP, ETHERTYPE_IPV4, ETHERTYPE_IPV6, ethernetEmit } from '../../src/wire/ethernet.ts';
import { formatFrame, formatFrameVerbose } from '../../src/wire/format.ts';
import {
  ICMP4_DEST_UNREACHABLE,
  ICMP4_FRAG_NEEDED,
  ICMP4_HOST_UNREACHABLE,
  ICMP4_PORT_UNREACHABLE,
  ICMP4_TIME_EXCEEDED,
  icmp4EmitEchoReply,
  icmp4EmitEchoRequest,
  icmp4EmitError,
} from '../../src/wire/icmpv4.ts';
import {
  IPPROTO_ICMP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  IPV4_DF,
  IPV4_MF,
  ipv4Emit,
  ipv4RefreshChecksum,
} from '../../src/wire/ipv4.ts';
import { ND_NA_OVERRIDE, ndpEmitAdvertisement } from '../../src/wire/ndp.ts';
import { TCP_SYN, tcpRefreshChecksum4 } from '../../src/wire/tcp.ts';
import { udpEmit, udpRefreshChecksum4 } from '../../src/wire/udp.ts';
import { vxlanEmit } from '../../src/wire/vxlan.ts';
import { dirty, fromBytes, fromHex } from './bytes.ts';

const A = parseIpv4('10.0.0.1');
const B = parseIpv4('10.0.0.2');

/** A frame from 02:00:00:00:00:01 to :02 whose payload `write` puts behind the header; it returns where it ends. */
function frame(type: number, write: (view: DataView, off: number, u8: Uint8Array) => number): Uint8Array {
  const { u8, view } = dirty(2048);
  const end = write(view, ethernetEmit(view, 0, 0x0200, 2, 0x0200, 1, type), u8);
  return u8.slice(0, end);
}

/** As `frame`, for an IPv4 packet whose payload of `len` bytes `write` makes. */
function ip4(
  protocol: number,
  len: number,
  write: (view: DataView, off: number, u8: Uint8Array) => void,
  flagsFrag = 0,
): Uint8Array {
  return frame(ETHERTYPE_IPV4, (view, off, u8) => {
    const at = ipv4Emit(view, off, 20 + len, 7, flagsFrag, 64, protocol, A, B);
    write(view, at, u8);
    return at + len;
  });
}

const echo = ip4(IPPROTO_ICMP, 64, (view, at) => icmp4EmitEchoRequest(view, at, 9, 1, 56));
const syn = ip4(IPPROTO_TCP, 24, (view, at, u8) => {
  u8.set(fromHex('c000 00b3 00000064 00000000 6002 faf0 0000 0000 020405b4').u8, at);
  view.setUint8(at + 13, TCP_SYN);
  tcpRefreshChecksum4(view, at, 24, A, B);
});

const text = (bytes: Uint8Array): string => formatFrame(bytes, 0, bytes.length);

describe('formatFrame', () => {
  test('says what an ARP message is about', () => {
    const arp = (op: number, spa: number, tpa: number): string =>
      text(frame(ETHERTYPE_ARP, (view, off) => arpEmit(view, off, op, 0x0200, 1, spa, 0x0200, 2, tpa)));
    expect(arp(ARP_REQUEST, A, B)).toBe('ARP, Request who-has 10.0.0.2 tell 10.0.0.1 (02:00:00:00:00:01)');
    expect(arp(ARP_REPLY, A, B)).toBe('ARP, Reply 10.0.0.1 is-at 02:00:00:00:00:01');
    expect(arp(ARP_REQUEST, A, A)).toBe('ARP, Announcement 10.0.0.1 is-at 02:00:00:00:00:01');
    expect(arp(ARP_REQUEST, 0, B)).toBe('ARP, Probe 10.0.0.2 by 02:00:00:00:00:01');
    expect(arp(RARP_REQUEST, 0, 0)).toBe('RARP, Request who-is 02:00:00:00:00:02 tell 02:00:00:00:00:01');
  });

  test('says what an ICMP message is about, an error by what it quotes', () => {
    expect(text(echo)).toBe('IP 10.0.0.1 > 10.0.0.2: ICMP echo request, id 9, seq 1, length 64');
    const reply = Uint8Array.from(echo);
    icmp4EmitEchoReply(new DataView(reply.buffer), 34);
    expect(text(reply)).toBe('IP 10.0.0.1 > 10.0.0.2: ICMP echo reply, id 9, seq 1, length 64');
    const error = (type: number, code: number, rest = 0): string =>
      text(
        ip4(IPPROTO_ICMP, 36, (view, at) => {
          const quoted = ipv4Emit(view, at + 8, 28, 1, 0, 1, IPPROTO_UDP, B, parseIpv4('192.0.2.9'));
          udpEmit(view, quoted, 1024, 33434, 8);
          icmp4EmitError(view, at, type, code, rest, 28);
        }),
      ).replace('IP 10.0.0.1 > 10.0.0.2: ', '');
    expect(error(ICMP4_TIME_EXCEEDED, 0)).toBe('ICMP time exceeded in-transit, length 36');
    expect(error(ICMP4_DEST_UNREACHABLE, ICMP4_HOST_UNREACHABLE)).toBe(
      'ICMP host 192.0.2.9 unreachable, length 36',
    );
    expect(error(ICMP4_DEST_UNREACHABLE, ICMP4_PORT_UNREACHABLE)).toBe(
      'ICMP 192.0.2.9 udp port 33434 unreachable, length 36',
    );
    expect(error(ICMP4_DEST_UNREACHABLE, ICMP4_FRAG_NEEDED, 1400)).toBe(
      'ICMP 192.0.2.9 unreachable - need to frag (mtu 1400), length 36',
    );
  });

  test('shows ports, flags, sequence numbers and the MSS', () => {
    expect(text(syn)).toBe(
      'IP 10.0.0.1.49152 > 10.0.0.2.179: Flags [S], seq 100, win 64240, options [mss 1460], length 0',
    );
    const udp = ip4(IPPROTO_UDP, 20, (view, at) => udpEmit(view, at, 40000, 53, 20));
    expect(text(udp)).toBe('IP 10.0.0.1.40000 > 10.0.0.2.53: UDP, length 12: DNS');
  });

  test('shows tags from the outside in, a priority where there is one', () => {
    const bytes = fromBytes(new Uint8Array([0, 0, 0, 0, 0, 0, 0, 0, ...echo]));
    const off = dot1qPush(bytes.u8, bytes.view, dot1qPush(bytes.u8, bytes.view, 8, 0xa00a), 200, 0x88a8);
    expect(formatFrame(bytes.u8, off, bytes.u8.length - off)).toBe(`vlan 200, vlan 10, p 5, ${text(echo)}`);
  });

  test('shows the frame inside VXLAN, and ends with frames inside frames', () => {
    const wrap = (inner: Uint8Array): Uint8Array =>
      ip4(IPPROTO_UDP, 16 + inner.length, (view, at, u8) => {
        const vxlan = udpEmit(view, at, 50000, 4789, 16 + inner.length);
        u8.set(inner, vxlanEmit(view, vxlan, 5001));
      });
    const outer = 'IP 10.0.0.1.50000 > 10.0.0.2.4789: VXLAN, vni 5001 | ';
    expect(text(wrap(echo))).toBe(outer + text(echo));
    let nested = echo;
    for (let depth = 0; depth < 12; depth++) nested = wrap(nested);
    expect(text(nested)).toBe(`${outer.repeat(5)}…`);
  });

  test('shows neighbor discovery with target, flags and MAC', () => {
    const bytes = frame(ETHERTYPE_IPV6, (view, off) =>
      ndpEmitAdvertisement(view, off, ND_NA_OVERRIDE, 0xfe800000, 0, 0, 1, 0xff020000, 0, 0, 1, 0x0200, 1),
    );
    expect(text(bytes)).toBe(
      'IP6 fe80::1 > ff02::1: ICMP6, neighbor advertisement, tgt is fe80::1, Flags [override], ' +
        'is-at 02:00:00:00:00:01, length 32',
    );
  });

  test.each([
    // IEEE 802.1D §9.3.1: LLC 42 42 03, protocol 0, version 0, configuration, flags, root 8001.020000000009
    [
      '0180c2000000 020000000001 0026 424203 0000 00 00 00 8001 020000000009 00000000',
      'STP 802.1d, Config, root',
    ],
    ['0180c2000000 020000000001 0007 424203 0000 00 80', 'STP 802.1d, Topology Change'],
    ['0180c200000e 020000000001 88cc 0207', 'LLDP, length 2'],
    ['0180c2000002 020000000001 8809 0101', 'Slow Protocols, LACP, length 2'],
    ['01000ccccccc 020000000001 0008 aaaa0300000c2000', 'CDP, length 8'],
    ['01000ccccccd 020000000001 0008 aaaa0300000c010b', 'STP, PVST+, length 8'],
    ['020000000002 020000000001 0003 e0e003', 'LLC, dsap 0xe0, ssap 0xe0, length 3'],
    ['020000000002 020000000001 1234 00', 'ethertype 0x1234, length 1'],
    ['020000000002 0200', '[|ether] length 8'],
    ['020000000002 020000000001 0806 0001', 'ARP [|arp]'],
    ['020000000002 020000000001 8100', 'vlan [|vlan]'],
  ])('names the frame %s', (hex, expected) => {
    const bytes = fromHex(hex).u8;
    expect(text(bytes)).toContain(expected);
  });

  test('shows fragments and does not judge checksums over a part of a message', () => {
    const first = ip4(IPPROTO_UDP, 24, (view, at) => udpEmit(view, at, 1, 9999, 3000), IPV4_MF);
    expect(text(first)).toBe('IP 10.0.0.1.1 > 10.0.0.2.9999: UDP, length 2992, frag (id 7, offset 0+)');
    const later = ip4(IPPROTO_UDP, 24, () => {}, IPV4_MF | 185);
    expect(text(later)).toBe('IP 10.0.0.1 > 10.0.0.2: UDP, frag (id 7, offset 1480+), length 24');
    const ping = ip4(IPPROTO_ICMP, 64, (view, at) => icmp4EmitEchoRequest(view, at, 9, 1, 2000), IPV4_MF);
    expect(text(ping)).not.toContain('cksum');
  });

  test('says what is wrong with a header that nodes would drop', () => {
    const changed = (at: number, value: number, refresh: boolean): string => {
      const bytes = fromBytes(echo);
      bytes.u8[at] = value;
      if (refresh) ipv4RefreshChecksum(bytes.view, 14);
      return text(bytes.u8);
    };
    expect(changed(22, 63, false)).toContain('IP bad ip cksum, 10.0.0.1 > 10.0.0.2: ICMP echo request');
    expect(changed(14, 0x55, false)).toBe('IP, bad version 5');
    expect(changed(14, 0x44, false)).toBe('IP, bad header length 16');
    expect(changed(17, 10, true)).toBe('IP bad total length 10, 10.0.0.1 > 10.0.0.2');
    expect(changed(16, 1, true)).toContain('truncated-ip, 256 bytes missing,');
    expect(changed(50, 0xff, false)).toContain('(wrong icmp cksum)');
  });

  test('reads a frame of which only the first bytes were kept as if it were whole', () => {
    const large = ip4(IPPROTO_TCP, 1400, (_view, at, u8) => {
      u8.set(fromHex('c000 00b3 00000064 00000001 5010 faf0 0000 0000').u8, at);
    });
    expect(formatFrame(large, 0, 128, large.length)).toBe(text(large));
    expect(formatFrame(echo, 0, 64, echo.length)).toBe(text(echo));
  });
});

describe('formatFrameVerbose', () => {
  test('adds MACs, type, length and the IP header', () => {
    const bytes = ip4(IPPROTO_ICMP, 8, (view, at) => icmp4EmitEchoRequest(view, at, 9, 1, 0), IPV4_DF);
    expect(formatFrameVerbose(bytes, 0, bytes.length)).toBe(
      '02:00:00:00:00:01 > 02:00:00:00:00:02, ethertype IPv4 (0x0800), length 42: ' +
        'IP (tos 0x0, ttl 64, id 7, offset 0, flags [DF], proto ICMP (1), length 28) ' +
        '10.0.0.1 > 10.0.0.2: ICMP echo request, id 9, seq 1, length 8',
    );
  });

  test('judges TCP and UDP checksums where the segment is all there', () => {
    const wrong = Uint8Array.from(syn);
    wrong[wrong.length - 1] ^= 1;
    expect(formatFrameVerbose(syn, 0, syn.length)).not.toContain('cksum');
    expect(formatFrameVerbose(wrong, 0, wrong.length)).toContain('(wrong tcp cksum)');
    expect(formatFrameVerbose(wrong, 0, wrong.length - 1, wrong.length)).not.toContain('cksum');
    const udp = ip4(IPPROTO_UDP, 20, (view, at) => {
      udpEmit(view, at, 40000, 9999, 20);
      udpRefreshChecksum4(view, at, A, B);
    });
    expect(formatFrameVerbose(udp, 0, udp.length)).not.toContain('cksum');
    udp[udp.length - 1] ^= 1;
    expect(formatFrameVerbose(udp, 0, udp.length)).toContain('(wrong udp cksum)');
  });
});

describe('formatFrame and formatFrameVerbose', () => {
  const ND = '60000000 0020 3a ff fe800000000000000000000000000001 ff020000000000000000000000000001';
  const seeds: Record<string, Uint8Array> = {
    echo,
    syn,
    'an ICMP error': ip4(IPPROTO_ICMP, 36, (view, at) => {
      const quoted = ipv4Emit(view, at + 8, 28, 1, 0, 1, IPPROTO_UDP, B, A);
      udpEmit(view, quoted, 1024, 33434, 8);
      icmp4EmitError(view, at, ICMP4_DEST_UNREACHABLE, ICMP4_PORT_UNREACHABLE, 0, 28);
    }),
    VXLAN: ip4(IPPROTO_UDP, 16 + syn.length, (view, at, u8) => {
      u8.set(syn, vxlanEmit(view, udpEmit(view, at, 50000, 4789, 16 + syn.length), 5001));
    }),
    DHCP: ip4(IPPROTO_UDP, 80, (view, at, u8) => {
      u8.fill(1, udpEmit(view, at, 68, 67, 80), at + 80);
    }),
    'IPv4 options': fromHex(
      '020000000002020000000001 0800 4700 0024 0000 0000 40 01 cacf 0a000001 0a000002 83070400 0a000900 0800 f7fe 0001 0000',
    ).u8,
    OSPF: ip4(89, 24, (view, at) => view.setUint16(at, 0x0201)),
    VRRP: ip4(112, 8, (view, at) => view.setUint32(at, 0x21016401)),
    'ND behind hop-by-hop options': fromHex(
      `020000000002020000000001 86dd 60000000 0028 00 ff ${ND.slice(19)} 3a00 0502 0000 0100` +
        ' 8700 0000 00000000 fe800000000000000000000000000002 0101 020000000001',
    ).u8,
    'a router advertisement': fromHex(
      `020000000002020000000001 86dd ${ND} 8600 0000 4000 0708 00000000 00000000 0101 020000000001 0501 0000 000005dc`,
    ).u8,
    'an ND redirect': fromHex(
      `020000000002020000000001 86dd ${ND.replace('0020', '0028')} 8900 0000 00000000` +
        ' fe800000000000000000000000000002 fe800000000000000000000000000003',
    ).u8,
    'ICMPv6 packet too big': fromHex(
      `020000000002020000000001 86dd ${ND.replace('0020', '0008')} 0200 0000 000005dc`,
    ).u8,
    'a tagged ARP': fromHex(
      '020000000002020000000001 88a8 00c8 8100 000a 0806 0001 0800 0604 0001 020000000001 0a000001 000000000000 0a000002',
    ).u8,
    STP: fromHex(
      '0180c2000000 020000000001 0026 424203 0000 00 00 00 8001 020000000009 00000004 8002 020000000001 8001 0100 1400 0200 0f00',
    ).u8,
    SNAP: fromHex('01000ccccccc 020000000001 0008 aaaa0300000c2000').u8,
    LACP: fromHex('0180c2000002 020000000001 8809 0101').u8,
  };

  function expectLines(bytes: Uint8Array, cut: number): void {
    // memory ends with the bytes that are kept, so a read beyond them throws
    const kept = bytes.slice(0, cut);
    for (const line of [
      formatFrame(kept, 0, cut, bytes.length),
      formatFrameVerbose(kept, 0, cut, bytes.length),
      formatFrame(kept, 0, cut),
    ]) {
      expect(line).not.toMatch(/\n|undefined|NaN/);
      expect(line.length).toBeGreaterThan(0);
    }
  }

  test.each(Object.entries(seeds))('show %s without faults, and cut after any byte', (_name, bytes) => {
    expect(text(bytes)).not.toMatch(/\[\||bad|wrong (?!icmp6)|invalid|missing/);
    for (let cut = 0; cut <= bytes.length; cut++) expectLines(bytes, cut);
  });

  test('do not judge a checksum behind a routing header that has segments left (RFC 8200 §8.1)', () => {
    const routed = (left: string): string =>
      text(
        fromHex(
          `020000000002020000000001 86dd ${ND.replace('0020 3a', '0010 2b')} 3a00 00${left} 00000000 8000 0000 00010001`,
        ).u8,
      );
    expect(routed('01')).toMatch(/ICMP6, echo request, id 1, seq 1, length 8$/);
    expect(routed('00')).toContain('(wrong icmp6 cksum)');
  });

  test('show nothing of the padding behind a packet', () => {
    const short = ip4(IPPROTO_ICMP, 8, (view, at) => icmp4EmitEchoRequest(view, at, 9, 1, 0));
    expect(text(new Uint8Array([...short, ...new Array(18).fill(0xa5)]))).toBe(text(short));
    const unreachable = ip4(IPPROTO_ICMP, 28, (view, at) => {
      ipv4Emit(view, at + 8, 28, 1, 0, 1, IPPROTO_UDP, B, A);
      icmp4EmitError(view, at, ICMP4_DEST_UNREACHABLE, ICMP4_PORT_UNREACHABLE, 0, 20);
    });
    expect(text(new Uint8Array([...unreachable, 0, 1, 0, 2]))).toContain('udp port ? unreachable');
  });

  test('give one line for any bytes, cut anywhere, and never throw', () => {
    const types = fc.constantFrom(0x0800, 0x86dd, 0x0806, 0x8035, 0x8100, 0x8809, 0x0026);
    const typed = fc
      .tuple(types, fc.uint8Array({ maxLength: 120 }))
      .map(([type, rest]) => new Uint8Array([...new Array(12).fill(2), type >>> 8, type & 0xff, ...rest]));
    const edits = fc.array(fc.tuple(fc.nat(150), fc.nat(255)), { maxLength: 6 });
    const mutated = fc.tuple(fc.constantFrom(...Object.values(seeds)), edits).map(([seed, changes]) => {
      const bytes = Uint8Array.from(seed);
      for (const [at, value] of changes) bytes[at % bytes.length] = value;
      return bytes;
    });
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 120 }), typed, mutated), fc.nat(150), (bytes, cut) => {
        expectLines(bytes, Math.min(cut, bytes.length));
      }),
      { numRuns: 3000 },
    );
  });
});
