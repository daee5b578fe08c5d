import { beforeEach, describe, expect, it } from 'vitest';
import { VirtualTimers } from '../../src/base/timers.ts';
import { ArpCache, DELAY_PROBE_MS, MAX_REQUESTS, REACHABLE_MS, RETRANS_MS } from '../../src/sim/arp-cache.ts';
import { formatFrame } from '../../src/wire/format.ts';
import { arpProbe, arpReply, arpRequest, gratuitousArp, host, rarp, withMac } from '../golden/frames.ts';
import { pass } from './cables.ts';

const me = host('me', '02:00:00:00:00:0a', '192.0.2.1');
const peer = host('peer', '02:00:00:00:00:0b', '192.0.2.2');
const moved = withMac(peer, '02:00:00:00:00:bb');
const PACKET = Uint8Array.of(1);

describe('ArpCache', () => {
  let timers: VirtualTimers;
  let cache: ArpCache;
  let sent: string[];
  let released: string[];
  let failed: number;
  beforeEach(() => {
    timers = new VirtualTimers(1_000_000);
    [sent, released, failed] = [[], [], 0];
    cache = new ArpCache({
      timers,
      ip: me.ip,
      mac: me.mac,
      transmit: (frame) => sent.push(formatFrame(frame, 0, frame.length)),
      release: (packet, mac) => released.push(`${packet[0]} to ${mac.lo.toString(16)}`),
      failed: () => failed++,
    });
  });
  const REQUEST = 'ARP, Request who-has 192.0.2.2 tell 192.0.2.1 (02:00:00:00:00:0a)';

  it('asks once for a neighbor, and sends what waited, in order, when it answers', () => {
    cache.send(peer.ip, Uint8Array.of(1));
    cache.send(peer.ip, Uint8Array.of(2));
    expect(sent).toEqual([REQUEST]);
    expect(cache.lookup(peer.ip)).toBe('none');
    cache.receive(arpReply({ from: peer, to: me }));
    expect(released).toEqual(['1 to b', '2 to b']);
    expect(cache.lookup(peer.ip)).toBe('02:00:00:00:00:0b');
    cache.send(peer.ip, Uint8Array.of(3));
    expect(released[2]).toBe('3 to b');
    expect(sent).toHaveLength(1);
  });

  it('asks three times, then gives up what waited, and asks anew for the next packet', () => {
    cache.send(peer.ip, PACKET);
    pass(timers, MAX_REQUESTS * RETRANS_MS);
    expect(sent).toHaveLength(MAX_REQUESTS);
    expect(failed).toBe(1);
    expect(timers.pending).toBe(0);
    cache.send(peer.ip, PACKET);
    expect(sent).toHaveLength(MAX_REQUESTS + 1);
  });

  it('answers a request for its own address, and learns who asked (RFC 826)', () => {
    cache.receive(arpRequest({ from: peer, for: me }));
    expect(sent).toEqual(['ARP, Reply 192.0.2.1 is-at 02:00:00:00:00:0a']);
    expect(cache.lookup(peer.ip)).toBe('02:00:00:00:00:0b');
  });

  it('answers no request for somebody else, and learns no stranger from it', () => {
    cache.receive(arpRequest({ from: peer, for: host('x', '02:00:00:00:00:0c', '192.0.2.3') }));
    expect(sent).toEqual([]);
    expect(cache.lookup(peer.ip)).toBe('none');
  });

  it('takes a gratuitous ARP of a neighbor that it knows, and of no other', () => {
    cache.receive(gratuitousArp({ from: peer }));
    expect(cache.lookup(peer.ip)).toBe('none');
    cache.receive(arpRequest({ from: peer, for: me }));
    cache.receive(gratuitousArp({ from: moved }));
    expect(cache.lookup(peer.ip)).toBe('02:00:00:00:00:bb');
  });

  it('takes no answer that nobody asked for, unless it knows the neighbor (Linux)', () => {
    cache.receive(arpReply({ from: peer, to: me }));
    expect(cache.lookup(peer.ip)).toBe('none');
    cache.receive(arpRequest({ from: peer, for: me }));
    cache.receive(arpReply({ from: moved, to: me }));
    expect(cache.lookup(peer.ip)).toBe('02:00:00:00:00:bb');
  });

  it('takes the sender of any request: so a gateway that asks poisons a cache', () => {
    cache.receive(arpRequest({ from: peer, for: me }));
    cache.receive(arpRequest({ from: moved, for: host('x', '02:00:00:00:00:0c', '192.0.2.3') }));
    expect(cache.lookup(peer.ip)).toBe('02:00:00:00:00:bb');
  });

  it('answers a probe for its own address without learning 0.0.0.0 (RFC 5227)', () => {
    cache.receive(arpProbe({ from: peer, for: me }));
    expect(sent).toHaveLength(1);
    expect(cache.lookup(0)).toBe('none');
  });

  it('keeps its own address when somebody else claims it, and neither learns nor answers (RFC 5227)', () => {
    cache.receive(gratuitousArp({ from: withMac(me, '02:00:00:00:00:66') }));
    cache.receive(arpRequest({ from: withMac(me, '02:00:00:00:00:66'), for: me }));
    expect(cache.lookup(me.ip)).toBe('none');
    expect(sent).toEqual([]);
  });

  it('ignores RARP and messages that are cut short', () => {
    cache.receive(rarp({ from: peer }));
    cache.receive(arpRequest({ from: peer, for: me }).subarray(0, 30));
    expect(sent).toEqual([]);
  });

  it('uses an old entry on, probes it, and keeps it when the neighbor answers', () => {
    cache.receive(arpRequest({ from: peer, for: me }));
    sent.length = 0;
    pass(timers, REACHABLE_MS + 1);
    cache.send(peer.ip, PACKET);
    expect(released).toEqual(['1 to b']);
    expect(sent).toEqual([]);
    pass(timers, DELAY_PROBE_MS);
    expect(sent).toEqual([REQUEST]);
    cache.receive(arpReply({ from: peer, to: me }));
    pass(timers, MAX_REQUESTS * RETRANS_MS);
    expect(sent).toHaveLength(1);
    expect(cache.lookup(peer.ip)).toBe('02:00:00:00:00:0b');
  });

  it('forgets an old entry whose neighbor is silent, so that the next packet asks everybody', () => {
    cache.receive(arpRequest({ from: peer, for: me }));
    pass(timers, REACHABLE_MS + 1);
    cache.send(peer.ip, PACKET);
    pass(timers, DELAY_PROBE_MS + MAX_REQUESTS * RETRANS_MS);
    expect(cache.lookup(peer.ip)).toBe('none');
  });

  it('knows nothing after clear, and leaves no timer behind', () => {
    cache.receive(arpRequest({ from: peer, for: me }));
    cache.send(host('x', '02:00:00:00:00:0c', '192.0.2.3').ip, PACKET);
    cache.clear();
    expect(cache.lookup(peer.ip)).toBe('none');
    expect(timers.pending).toBe(0);
  });

  it('announces itself as RFC 5227 says: sender and target are its own address', () => {
    cache.announce();
    expect(sent).toEqual(['ARP, Announcement 192.0.2.1 is-at 02:00:00:00:00:0a']);
  });
});
