import { beforeEach, describe, expect, it } from 'vitest';
import { VirtualTimers } from '../../../src/base/timers.ts';
import { BgpError } from '../../../src/routing/bgp/error.ts';
import { type DownCause, Fsm, type FsmConfig, type FsmHost } from '../../../src/routing/bgp/fsm.ts';
import { encodeNotification } from '../../../src/routing/bgp/notification.ts';
import { encodeOpen, type Negotiated } from '../../../src/routing/bgp/open.ts';
import { bodyOf } from './bytes.ts';

const CONFIG: FsmConfig = {
  as: 65002,
  routerId: 2,
  peerAs: 65001,
  holdSeconds: 90,
  keepaliveSeconds: 30,
  families: ['ipv4'],
  connectRetryMs: 5000,
};
const EMPTY = new Uint8Array(0);
const peerOpen = (changes: { as?: number; holdSeconds?: number } = {}): Uint8Array =>
  bodyOf(
    encodeOpen({
      as: 65001,
      routerId: 1,
      holdSeconds: 90,
      families: ['ipv4'],
      routeRefresh: true,
      extendedMessage: false,
      ...changes,
    }),
  );

/** Writes down what the FSM asks for. */
class Recorder implements FsmHost {
  readonly log: string[] = [];
  readonly causes: DownCause[] = [];
  keep = true;
  blockedMs = 0;
  onUpdate = (_body: Uint8Array): void => {};
  connect = () => void this.log.push('connect');
  connectFailed = (reason: string) => void this.log.push(`failed ${reason}`);
  send = (type: number) => void this.log.push(`send ${type}`);
  sendBlockedMs = () => this.blockedMs;
  close = (n: Uint8Array | undefined) =>
    void this.log.push(n === undefined ? 'close' : `close ${n[19]}/${n[20]}`);
  opened = (_agreed: Negotiated) => this.keep;
  established = () => void this.log.push('established');
  update = (body: Uint8Array) => this.onUpdate(body);
  routeRefresh = () => void this.log.push('refresh');
  down = (cause: DownCause) => {
    this.causes.push(cause);
    this.log.push(`down by ${cause.by}`);
  };
  take = (): string[] => this.log.splice(0);
}

let timers: VirtualTimers;
let host: Recorder;
let fsm: Fsm;
beforeEach(() => {
  timers = new VirtualTimers();
  host = new Recorder();
  fsm = new Fsm(CONFIG, host, timers, () => 1);
});

const toOpenSent = (): void => {
  fsm.start();
  fsm.connected();
};
const toOpenConfirm = (): void => {
  toOpenSent();
  fsm.receive(1, peerOpen());
};
const toEstablished = (): void => {
  toOpenConfirm();
  fsm.receive(4, EMPTY);
  host.take();
};
const STATES = { OpenSent: toOpenSent, OpenConfirm: toOpenConfirm, Established: toEstablished } as const;

describe('Fsm', () => {
  it('goes the whole way up (RFC 4271 §8.2.2)', () => {
    expect(fsm.state).toBe('Idle');
    fsm.start();
    expect([fsm.state, ...host.take()]).toEqual(['Connect', 'connect']);
    fsm.connected();
    expect([fsm.state, ...host.take()]).toEqual(['OpenSent', 'send 1']);
    fsm.receive(1, peerOpen());
    expect([fsm.state, ...host.take()]).toEqual(['OpenConfirm', 'send 4']);
    fsm.receive(4, EMPTY);
    expect([fsm.state, ...host.take()]).toEqual(['Established', 'established']);
  });

  it('waits in Active after a refused connection and tries again, for ever', () => {
    fsm.start();
    for (let i = 0; i < 5; i++) {
      fsm.closed('ECONNREFUSED');
      expect([fsm.state, ...host.take()]).toEqual(['Active', 'connect', 'failed ECONNREFUSED']);
      timers.advanceTo(timers.nowMs() + 4999);
      expect(fsm.state).toBe('Active');
      timers.advanceTo(timers.nowMs() + 1);
      expect(fsm.state).toBe('Connect');
    }
  });

  it('gives an attempt up that hangs (event 9)', () => {
    fsm.start();
    timers.advanceTo(5000);
    expect(host.take()).toEqual(['connect', 'close', 'failed no answer', 'connect']);
    expect(fsm.state).toBe('Connect');
  });

  it('jitters its timers down to three quarters (RFC 4271 §10)', () => {
    fsm = new Fsm(CONFIG, host, timers, () => 0);
    fsm.start();
    timers.advanceTo(3750);
    expect(host.take()).toEqual(['connect', 'close', 'failed no answer', 'connect']);
  });

  it('does not wait for an OPEN for longer than four minutes', () => {
    toOpenSent();
    timers.advanceTo(239_999);
    expect(fsm.state).toBe('OpenSent');
    timers.advanceTo(240_000);
    expect(host.take()).toContain('close 4/0');
    expect(fsm.state).toBe('Idle');
  });

  it('ends a session that is silent for the hold time, and no sooner', () => {
    toEstablished();
    timers.advanceTo(60_000);
    fsm.receive(4, EMPTY);
    timers.advanceTo(149_999);
    expect(fsm.state).toBe('Established');
    timers.advanceTo(150_000);
    expect(host.take().slice(-2)).toEqual(['close 4/0', 'down by us']);
    expect(host.causes[0]).toMatchObject({ code: 4, text: 'Hold Timer Expired' });
  });

  it('lets an UPDATE count as a sign of life too', () => {
    toEstablished();
    for (let i = 1; i <= 10; i++) {
      timers.advanceTo(i * 80_000);
      fsm.receive(2, EMPTY);
    }
    expect(fsm.state).toBe('Established');
  });

  it('reads what waits first when it was held up itself', () => {
    let now = 0;
    const late = new VirtualTimers();
    late.nowMs = () => now;
    fsm = new Fsm(CONFIG, host, late, () => 1);
    toEstablished();
    now = 200_000; // the process stood still: timers fire before the sockets are read
    late.advanceTo(90_000);
    expect(fsm.state).toBe('Established');
    fsm.receive(4, EMPTY);
    late.advanceTo(200_000);
    expect(fsm.state).toBe('Established');
  });

  it('sends keepalives at the agreed pace: a third of the lower hold time', () => {
    toOpenSent();
    fsm.receive(1, peerOpen({ holdSeconds: 9 }));
    fsm.receive(4, EMPTY);
    host.take();
    timers.advanceTo(8999);
    expect(host.take()).toEqual(['send 4', 'send 4']);
  });

  it('runs neither timer with a hold time of 0', () => {
    toOpenSent();
    fsm.receive(1, peerOpen({ holdSeconds: 0 }));
    fsm.receive(4, EMPTY);
    host.take();
    timers.advanceTo(10_000_000);
    expect(host.take()).toEqual([]);
    expect(fsm.state).toBe('Established');
    expect(timers.pending).toBe(0);
  });

  it('drops a connection that took no byte for eight minutes (RFC 9687)', () => {
    toEstablished();
    host.blockedMs = 480_001;
    timers.advanceTo(30_000);
    expect(host.take()).toEqual(['close', 'down by us']);
    expect(host.causes[0].text).toBe('Send Hold Timer Expired');
  });

  it.each([
    ['OpenSent', 2, '5/1'],
    ['OpenSent', 4, '5/1'],
    ['OpenSent', 5, '5/1'],
    ['OpenConfirm', 1, '5/2'],
    ['OpenConfirm', 2, '5/2'],
    ['OpenConfirm', 5, '5/2'],
    ['Established', 1, '5/3'],
  ] as const)('answers an unexpected message in %s, type %i, with %s (RFC 6608 §3)', (state, type, code) => {
    STATES[state]();
    fsm.receive(type, type === 1 ? peerOpen() : new Uint8Array(4));
    expect(host.take().slice(-2)).toEqual([`close ${code}`, 'down by us']);
    expect(fsm.state).toBe('Idle');
    expect(timers.pending).toBe(0);
  });

  it.each(['OpenSent', 'OpenConfirm', 'Established'] as const)(
    'goes down from %s without an answer when the peer sends a NOTIFICATION',
    (state) => {
      STATES[state]();
      fsm.receive(3, bodyOf(encodeNotification(6, 2)));
      expect(host.take().slice(-2)).toEqual(['close', 'down by peer']);
      expect(timers.pending).toBe(0);
    },
  );

  it.each(['OpenSent', 'OpenConfirm', 'Established'] as const)('stops from %s with a Cease', (state) => {
    STATES[state]();
    fsm.stop(2);
    expect(host.take().slice(-2)).toEqual(['close 6/2', 'down by operator']);
    expect(timers.pending).toBe(0);
  });

  it.each(['OpenSent', 'OpenConfirm', 'Established'] as const)(
    'goes down from %s when TCP fails',
    (state) => {
      STATES[state]();
      fsm.closed('ECONNRESET');
      expect(host.take().slice(-1)).toEqual(['down by transport']);
      expect(host.causes[0].text).toBe('ECONNRESET');
      expect(timers.pending).toBe(0);
    },
  );

  it('stops while it connects without a word to anyone', () => {
    fsm.start();
    fsm.stop(2);
    expect(host.take()).toEqual(['connect', 'close', 'down by operator']);
    expect(timers.pending).toBe(0);
  });

  it('sends the NOTIFICATION that a bad OPEN deserves', () => {
    toOpenSent();
    fsm.receive(1, peerOpen({ as: 65009 }));
    expect(host.take()).toContain('close 2/2');
  });

  it('gives way when another connection is kept (RFC 4271 §6.8)', () => {
    host.keep = false;
    toOpenConfirm();
    expect(host.take().slice(-2)).toEqual(['close 6/7', 'down by us']);
  });

  it('ends the session when an UPDATE is beyond repair', () => {
    toEstablished();
    host.onUpdate = () => {
      throw new BgpError(3, 1);
    };
    fsm.receive(2, EMPTY);
    expect(host.take()).toEqual(['close 3/1', 'down by us']);
  });

  it('lets a bug of ours through: it is not the fault of the peer', () => {
    toEstablished();
    host.onUpdate = () => {
      throw new Error('assertion failed');
    };
    expect(() => fsm.receive(2, EMPTY)).toThrow('assertion failed');
  });
});
