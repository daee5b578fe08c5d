// The watch on a link, with a program in tcpdump's place that says what it is told.

import { describe, expect, it } from 'vitest';
import { watchEchoes } from '../../src/lab/link-watch.ts';

const LISTENING = 'console.error("listening on eth3, link-type EN10MB");';
const REQUEST = '12:00:00.0 IP 10.0.0.1 > 10.0.0.2: ICMP echo request, id 1, seq 1, length 64';
const REPLY = '12:00:00.1 IP 10.0.0.2 > 10.0.0.1: ICMP echo reply, id 1, seq 1, length 64';

const watch = (script: string) =>
  watchEchoes([process.execPath, '-e', script], 'eth3', '10.0.0.1', '10.0.0.2');

describe('watchEchoes', () => {
  it('counts requests and replies apart', async () => {
    const link = await watch(`
      process.on('SIGUSR1', () => console.error('tcpdump: 3 packets captured, 3 packets received by filter'));
      process.on('SIGINT', () => process.exit());
      console.log('${REQUEST}\\n${REPLY}\\n${REQUEST}');
      ${LISTENING} setTimeout(() => {}, 60000);`);
    expect(await link.stop()).toEqual({ requests: 2, replies: 1 });
  });

  it('waits with its end until all that the kernel has for it is read', async () => {
    const link = await watch(`
      let read = 0;
      process.on('SIGUSR1', () => {
        console.log('${REQUEST}');
        console.error('tcpdump: ' + ++read + ' packets captured, 4 packets received by filter');
      });
      process.on('SIGINT', () => process.exit());
      ${LISTENING} setTimeout(() => {}, 60000);`);
    expect(await link.stop()).toEqual({ requests: 4, replies: 0 });
  });

  it('hands the filter and the device on', async () => {
    const link = await watch(`
      process.on('SIGUSR1', () => console.error('1 packets captured, 1 packets received by filter'));
      process.on('SIGINT', () => process.exit());
      const args = process.argv.slice(1).join(' ');
      if (args.endsWith('-i eth3 icmp and host 10.0.0.1 and host 10.0.0.2')) console.log('${REQUEST}');
      ${LISTENING} setTimeout(() => {}, 60000);`);
    expect(await link.stop()).toEqual({ requests: 1, replies: 0 });
  });

  it('rejects with what tcpdump said when it does not listen, rather than count nothing', async () => {
    await expect(watch('console.error("eth3: No such device exists")')).rejects.toMatchObject({
      code: 'lab-watch-failed',
      message: 'tcpdump does not listen on eth3: eth3: No such device exists',
    });
  });
});
