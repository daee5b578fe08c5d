import { describe, expect, it } from 'vitest';
import { TcpReceiver } from '../../src/sim/tcp-receiver.ts';
import { segment } from '../../src/sim/tcp-segment.ts';
import { TcpSender } from '../../src/sim/tcp-sender.ts';
import { TCP_ACK, TCP_RST, TCP_SYN } from '../../src/wire/tcp.ts';
import { pass, twoHosts } from './cables.ts';

function flow(options: { delayMs?: number; loss?: number; seed?: number } = {}, durationMs = 3000, iss = 7) {
  const net = twoHosts(options);
  const { timers, a, b, aIp, bIp } = net;
  const receiver = new TcpReceiver({ timers, node: b, address: bIp, port: 5201, iss: 99 });
  const sender = new TcpSender({
    timers,
    node: a,
    src: aIp,
    dst: bIp,
    srcPort: 40_000,
    dstPort: 5201,
    iss,
    bytesPerSecond: 500_000,
    durationMs,
  });
  return { ...net, receiver, sender };
}

describe('TcpSender and TcpReceiver', () => {
  it('carry all bytes in order at the rate that was asked for', () => {
    const { timers, sender, receiver } = flow({ delayMs: 5 });
    pass(timers, 5000);
    expect([sender.state, receiver.closed, receiver.wrong, sender.retransmits]).toEqual(['done', true, 0, 0]);
    expect(receiver.bytes).toBe(1_500_000);
    for (const bytes of receiver.intervals.slice(0, 3)) expect(bytes).toBeGreaterThan(450_000);
    expect(timers.pending).toBe(0);
  });

  it.each([1, 2, 3, 4, 5])('lose nothing over a cable that loses every twentieth frame (seed %i)', (seed) => {
    const { timers, sender, receiver } = flow({ delayMs: 5, loss: 0.05, seed });
    pass(timers, 60_000);
    expect([sender.state, receiver.closed, receiver.wrong]).toEqual(['done', true, 0]);
    expect(receiver.bytes).toBe(1_500_000);
    expect(sender.retransmits).toBeGreaterThan(10);
  });

  it('go on after an interruption, with the bytes that it cost sent again', () => {
    const { timers, link, sender, receiver } = flow({ delayMs: 5 });
    pass(timers, 1000);
    link.set(false);
    pass(timers, 1500);
    link.set(true);
    pass(timers, 10_000);
    expect([sender.state, receiver.bytes]).toEqual(['done', 1_500_000]);
    expect(sender.retransmits).toBeGreaterThan(0);
    expect(receiver.intervals[1]).toBeLessThan(receiver.intervals[0]);
  });

  it('fail when the way is gone for good', () => {
    const { timers, link, sender, receiver } = flow({ delayMs: 5 });
    pass(timers, 1000);
    link.set(false);
    pass(timers, 60_000);
    expect([sender.state, receiver.closed]).toEqual(['failed', false]);
    expect(receiver.bytes).toBeLessThan(1_500_000);
    expect(timers.pending).toBe(0);
  });

  it('fail at a reset', () => {
    const { timers, b, aIp, bIp, sender } = flow({ delayMs: 5 });
    pass(timers, 1000);
    const tcp = { srcPort: 5201, dstPort: 40_000, seq: 100, ack: 8, flags: TCP_RST | TCP_ACK, window: 0 };
    b.send(segment({ src: bIp, dst: aIp }, tcp, 0, 0));
    pass(timers, 100);
    expect(sender.state).toBe('failed');
  });

  it('count sequence numbers past 2^32', () => {
    const { timers, sender, receiver } = flow({ delayMs: 5, loss: 0.02 }, 1000, 0xffff_f000);
    pass(timers, 60_000);
    expect([sender.state, receiver.bytes, receiver.wrong]).toEqual(['done', 500_000, 0]);
  });

  it('notice contents that are not the stream, and take no damaged segment', () => {
    const { timers, a, b, aIp, bIp } = twoHosts();
    const receiver = new TcpReceiver({ timers, node: b, address: bIp, port: 5201, iss: 1 });
    const tcp = { srcPort: 40_000, dstPort: 5201, seq: 50, ack: 0, flags: TCP_SYN, window: 0 };
    a.bind(6, 40_000, () => {});
    a.send(segment({ src: aIp, dst: bIp }, tcp, 0, 0));
    pass(timers, 10);
    const data = { ...tcp, seq: 51, ack: 2, flags: TCP_ACK };
    a.send(segment({ src: aIp, dst: bIp }, data, 5, 100)); // bytes 5…104 in the place of 0…99
    const damaged = segment({ src: aIp, dst: bIp }, data, 0, 100);
    damaged[80] ^= 1;
    a.send(damaged);
    pass(timers, 10);
    expect([receiver.wrong, receiver.bytes]).toEqual([1, 0]);
    a.send(segment({ src: aIp, dst: bIp }, data, 0, 100));
    pass(timers, 10);
    expect([receiver.wrong, receiver.bytes]).toEqual([1, 100]);
  });
});
