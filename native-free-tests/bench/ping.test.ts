import { expect, it } from 'vitest';
import { parsePing } from '../../src/bench/ping.ts';

it('parsePing reads times in ms and counts what did not come back', () => {
  const text = `PING 10.2.0.2 (10.2.0.2) 56(84) bytes of data.
64 bytes from 10.2.0.2: icmp_seq=1 ttl=63 time=0.047 ms
64 bytes from 10.2.0.2: icmp_seq=2 ttl=63 time=1.20 ms
64 bytes from 10.2.0.2: icmp_seq=4 ttl=63 time=0.010 ms

4 packets transmitted, 3 received, 25% packet loss, time 3ms
`;
  const { p50Us, p99Us, echoes, lost } = parsePing(text, 4);
  expect(p50Us).toBeCloseTo(47);
  expect(p99Us).toBeCloseTo(1200);
  expect([echoes, lost]).toEqual([4, 1]);
});
