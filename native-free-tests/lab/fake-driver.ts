// A lab in which everything goes as the paper says, answer by answer in the order of the scenario; a test changes one answer
// and looks which claim falls.

import type { FlowResult, Hop, HostName, LabDriver, PingResult, VmView } from '../../src/lab/driver.ts';

const ECHOES = 20;
const S_MAC = '02:00:00:00:10:01';
const T_MAC = '02:00:00:00:10:fe';

const way = (wan: readonly [number, number], extension: readonly [number, number]): PingResult => ({
  sent: ECHOES,
  received: ECHOES,
  rttMs: { min: 0.1, median: 0.2, max: 0.3 },
  wanRequests: wan[0],
  wanReplies: wan[1],
  extensionRequests: extension[0],
  extensionReplies: extension[1],
});
export const LOCAL = way([0, 0], [0, 0]);
export const WAN = way([ECHOES, ECHOES], [0, 0]);
export const EXTENSION = way([0, 0], [ECHOES, ECHOES]);
export const TROMBONE = way([ECHOES, ECHOES], [ECHOES, ECHOES]);
export const ASYMMETRIC = way([ECHOES, 0], [0, ECHOES]);

const row = (name: string, state: string, gatewaySide: string, route: string): VmView => ({
  name,
  state,
  gatewaySide,
  route,
});

/** Answers by kind, each list in the order in which the scenario asks. */
export interface Answers {
  pings: { readonly flow: string; result: PingResult }[];
  hostRoutes: { readonly of: string; has: boolean }[];
  vms: VmView[];
  macs: { readonly host: string; mac: string }[];
  tcp: FlowResult;
  /** `asymmetric-inbound` before and after. */
  asymmetric: number[];
}

const ping = (flow: string, result: PingResult) => ({ flow, result });
const hostRoute = (of: string, has: boolean) => ({ of, has });

export const goodAnswers = (): Answers => ({
  pings: [
    ping('vm1 → native', TROMBONE), // 0, step a
    ping('vm1 → internet', TROMBONE),
    ping('vm1 → vm4', EXTENSION),
    ping('vm1 → native', LOCAL), // 3, step b
    ping('vm1 → internet', LOCAL),
    ping('vm1 → src-host', WAN),
    ping('src-host → vm1', WAN),
    ping('vm4 → native', WAN),
    ping('vm2 → src-host', LOCAL), // 8, step c
    ping('vm2 → native', TROMBONE),
    ping('vm2 → native', LOCAL),
    ping('vm1 → vm4', EXTENSION), // 11, step d
    ping('vm4 → vm2', EXTENSION),
    ping('vm1 → vm2', LOCAL),
    ping('vm3 → src-host', ASYMMETRIC), // 14, step e
    ping('vm3 → src-host', WAN),
  ],
  hostRoutes: [
    hostRoute('vm1', false), // 0, step a
    hostRoute('vm1', false), // 1, step b
    hostRoute('vm1', true),
    hostRoute('vm2', false), // 3, step c
    hostRoute('vm2', true),
    hostRoute('vm3', false), // 5, step e
    hostRoute('vm3', true),
  ],
  vms: [
    row('vm1', 'LOCAL', 'target', 'learned'),
    row('vm2', 'PINNED', 'source', 'none'),
    row('vm2', 'LOCAL', 'target', 'learned'),
    row('vm3', 'LOCAL_PENDING', 'target', 'injected'),
  ],
  macs: [
    { host: 'vm1', mac: T_MAC },
    { host: 'vm4', mac: S_MAC },
    { host: 'vm2', mac: S_MAC },
    { host: 'vm2', mac: T_MAC },
    { host: 'vm3', mac: T_MAC },
  ],
  tcp: { completed: true, bytes: 15e6, intervals: [2.5e6, 2.5e6, 0, 5e6, 2.5e6, 2.5e6], retransmits: 3 },
  asymmetric: [2, 2 + ECHOES],
});

export class FakeDriver implements LabDriver {
  readonly engine = 'fake';
  /** What was done to the lab, in order. */
  readonly done: string[] = [];
  readonly #answers: Answers;

  constructor(answers: Answers) {
    this.#answers = answers;
  }

  async up(): Promise<void> {
    this.done.push('up');
  }

  async setProximity(on: boolean): Promise<void> {
    this.done.push(`proximity ${on}`);
  }

  async move(vm: HostName, kind: string): Promise<void> {
    this.done.push(`move ${vm} ${kind}`);
  }

  async sourceHasHostRoute(vm: HostName): Promise<boolean> {
    const answer = next(this.#answers.hostRoutes, 'host route');
    same(answer.of, vm);
    return answer.has;
  }

  async setHostRouteFilter(on: boolean): Promise<void> {
    this.done.push(`filter ${on}`);
  }

  async ping(from: HostName, to: HostName, count: number): Promise<PingResult> {
    const answer = next(this.#answers.pings, 'ping');
    same(answer.flow, `${from} → ${to}`);
    same(count, ECHOES);
    return answer.result;
  }

  async path(_from: HostName, to: HostName): Promise<readonly Hop[]> {
    return [
      { ttl: 1, address: '10.255.0.2', node: 'nearhop' },
      { ttl: 2, address: '10.20.0.10', node: to },
    ];
  }

  async startFlow(from: HostName, to: HostName): Promise<{ finish(): Promise<FlowResult> }> {
    this.done.push(`flow ${from} → ${to}`);
    return {
      finish: async () => {
        this.done.push('flow ends');
        return this.#answers.tcp;
      },
    };
  }

  async gatewayMac(host: HostName): Promise<string> {
    const answer = next(this.#answers.macs, 'MAC');
    same(answer.host, host);
    return answer.mac;
  }

  async vms(): Promise<readonly VmView[]> {
    return [next(this.#answers.vms, 'VM')];
  }

  async reasonCount(reason: string): Promise<number> {
    same(reason, 'asymmetric-inbound');
    return next(this.#answers.asymmetric, 'count');
  }

  async wait(): Promise<void> {}

  async down(): Promise<void> {
    this.done.push('down');
  }
}

function next<T>(answers: T[], what: string): T {
  const answer = answers.shift();
  if (answer === undefined) throw new Error(`the scenario asks for one ${what} more than the fake lab knows`);
  return answer;
}

function same<T>(known: T, asked: T): void {
  if (known !== asked) throw new Error(`the fake lab expected ${known}, the scenario asks for ${asked}`);
}
