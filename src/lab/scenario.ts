// The scenario of the ESG lab: the five things that the paper promises about traffic, each done and measured. It drives
// whatever engine the driver has, and judges by what was counted on the links.
//
//   (a) extended without proximity routing: the migrated VM trombones
//   (b) proximity routing on, VM1 bulk-migrated: its /32 is learned, its paths are local and symmetric
//   (c) VM2 vMotioned: it stays on the source gateway and its TCP flow survives; power-cycled, it is local
//   (d) traffic inside the network uses the extension, or no link at all
//   (e) a /32 that the source does not learn shows as asymmetric

import type { HostName, LabDriver } from './driver.ts';
import {
  type Claim,
  claimText,
  type FlowReport,
  flowText,
  type LabReport,
  type Paint,
  type StepReport,
  stepHead,
  type Verdict,
  verdictOf,
} from './report.ts';

const ECHOES = 20;
const LEARN_MS = 10_000;
const T_MAC = '02:00:00:00:10:fe';
const S_MAC = '02:00:00:00:10:01';
const FLOW_SECONDS = 6;
const FLOW_LEAD_MS = 2000;

export interface ScenarioOptions {
  readonly lab: string;
  readonly paint: Paint;
  /** Gets the text as the scenario goes. */
  readonly write: (text: string) => void;
  /** Aborted by Ctrl-C: the scenario ends at the next observation. */
  readonly signal: AbortSignal;
}

/** Runs all steps on a lab that is up. */
export async function runScenario(driver: LabDriver, options: ScenarioOptions): Promise<LabReport> {
  return new Scenario(driver, options).run();
}

class Scenario {
  readonly #driver: LabDriver;
  readonly #options: ScenarioOptions;
  readonly #steps: StepReport[] = [];
  #step: StepReport;

  constructor(driver: LabDriver, options: ScenarioOptions) {
    this.#driver = driver;
    this.#options = options;
    this.#step = { step: '', title: '', flows: [], claims: [] };
  }

  async run(): Promise<LabReport> {
    const startMs = performance.now();
    await this.#withoutProximity();
    await this.#bulkMigration();
    await this.#vmotion();
    await this.#insideTheNetwork();
    await this.#unlearned();
    const claims = this.#steps.flatMap((s) => s.claims);
    return {
      lab: this.#options.lab,
      engine: this.#driver.engine,
      steps: this.#steps,
      claims: claims.length,
      held: claims.filter((c) => c.held).length,
      seconds: (performance.now() - startMs) / 1000,
    };
  }

  async #withoutProximity(): Promise<void> {
    this.#begin('a', 'extended without proximity routing; VM1 is moved to the target');
    await this.#driver.move('vm1', 'bulk');
    const toNative = await this.#flow('vm1', 'native');
    this.#expect('S3', 'a migrated VM keeps the source gateway: both ways trombone', toNative, 'trombone');
    const toInternet = await this.#flow('vm1', 'internet');
    this.#expect('S3', 'to the Internet it trombones as well', toInternet, 'trombone');
    const peer = await this.#flow('vm1', 'vm4');
    this.#expect('S10', 'inside the network it uses the extension', peer, 'extension');
    const learned = await this.#driver.sourceHasHostRoute('vm1', false, 0);
    this.#claim(
      'S3',
      'no /32 is announced for it',
      !learned,
      `the source router has ${learned ? 'a' : 'no'} /32`,
    );
  }

  async #bulkMigration(): Promise<void> {
    this.#begin('b', 'proximity routing on; VM1 is bulk-migrated');
    await this.#driver.setProximity(true);
    const before = await this.#driver.sourceHasHostRoute('vm1', false, 0);
    const startMs = performance.now();
    await this.#driver.move('vm1', 'bulk');
    const learned = await this.#driver.sourceHasHostRoute('vm1', true, LEARN_MS);
    const tookMs = Math.round(performance.now() - startMs);
    this.#claim(
      'S17',
      "VM1's /32 stands in the source router's own table",
      !before && learned,
      learned ? `by BGP over the WAN, ${tookMs} ms after the command` : 'not there',
    );
    await this.#state('S18', 'vm1', 'LOCAL', 'a bulk-migrated VM uses the target gateway at once');
    this.#expect(
      'S7',
      "VM1 reaches the target's native network locally",
      await this.#flow('vm1', 'native'),
      'local',
    );
    this.#expect(
      'S6',
      'VM1 reaches the Internet by the target',
      await this.#flow('vm1', 'internet'),
      'local',
    );
    this.#expect(
      'S13',
      "VM1 reaches the source's other network over the WAN, not the extension",
      await this.#flow('vm1', 'src-host'),
      'WAN',
    );
    this.#expect('S14', 'inbound takes the same path', await this.#flow('src-host', 'vm1'), 'WAN');
    this.#expect('S11', 'a source VM uses the source gateway', await this.#flow('vm4', 'native'), 'WAN');
    const [local, source] = [await this.#driver.gatewayMac('vm1'), await this.#driver.gatewayMac('vm4')];
    this.#claim(
      'S15',
      'both gateways are active at once, each on its side',
      local === T_MAC && source === S_MAC,
      `192.168.10.1 is at ${local} for vm1 and at ${source} for vm4`,
    );
  }

  async #vmotion(): Promise<void> {
    this.#begin('c', 'VM2 is vMotioned with a TCP flow running, then power-cycled');
    await this.#flow('vm2', 'src-host');
    const flow = await this.#driver.startFlow('vm2', 'src-host', FLOW_SECONDS);
    await this.#driver.wait(FLOW_LEAD_MS);
    await this.#driver.move('vm2', 'vmotion');
    await this.#state('S19', 'vm2', 'PINNED', 'a vMotioned VM stays on the source gateway');
    const tcp = await flow.finish();
    const tail = tcp.intervals.slice(-2).reduce((sum, b) => sum + b, 0);
    this.#claim(
      'S19',
      'its TCP flow survives the move',
      tcp.completed && tail > 0,
      `${(tcp.bytes / 1e6).toFixed(1)} MB, ${(tail / 1e6).toFixed(1)} MB of them in the last two seconds, ${tcp.retransmits} retransmissions`,
    );
    const pinned = await this.#flow('vm2', 'native');
    this.#expect('S19', 'its routed traffic goes by the source gateway', pinned, 'trombone');
    const mac = await this.#driver.gatewayMac('vm2');
    this.#claim('S19', 'its gateway is still S-MAC', mac === S_MAC, `192.168.10.1 is at ${mac}`);
    const early = await this.#driver.sourceHasHostRoute('vm2', false, 0);
    this.#claim(
      'S19',
      'no /32 is announced for it yet',
      !early,
      early ? 'the source router has it' : 'none there',
    );

    await this.#driver.move('vm2', 'power-cycle');
    const learned = await this.#driver.sourceHasHostRoute('vm2', true, LEARN_MS);
    this.#claim(
      'S19',
      'power-cycled, its /32 is learned',
      learned,
      learned ? 'by BGP over the WAN' : 'not there',
    );
    await this.#state('S19', 'vm2', 'LOCAL', 'power-cycled, it uses the target gateway');
    this.#expect('S19', 'and its paths are local', await this.#flow('vm2', 'native'), 'local');
    const after = await this.#driver.gatewayMac('vm2');
    this.#claim('S19', 'its gateway is T-MAC now', after === T_MAC, `192.168.10.1 is at ${after}`);
  }

  async #insideTheNetwork(): Promise<void> {
    this.#begin('d', 'traffic inside the extended network');
    this.#expect(
      'S10',
      'local VM and source VM use the extension',
      await this.#flow('vm1', 'vm4'),
      'extension',
    );
    this.#expect('S10', 'and so they do the other way', await this.#flow('vm4', 'vm2'), 'extension');
    const local = await this.#flow('vm1', 'vm2');
    this.#expect('S10', 'two VMs at the target need no link at all', local, 'local');
  }

  async #unlearned(): Promise<void> {
    this.#begin('e', 'the source router refuses /32s; VM3 is bulk-migrated');
    await this.#driver.setHostRouteFilter(true);
    await this.#driver.move('vm3', 'bulk');
    const learned = await this.#driver.sourceHasHostRoute('vm3', false, 2000);
    this.#claim(
      'S25',
      'the /32 is not learned',
      !learned,
      learned ? 'the source router has it' : 'filtered there',
    );
    const before = await this.#driver.reasonCount('asymmetric-inbound');
    const flow = await this.#flow('vm3', 'src-host');
    this.#expect(
      'S14',
      'without it the flow is asymmetric: out by the WAN, back by the extension',
      flow,
      'asymmetric',
    );
    const counted = (await this.#driver.reasonCount('asymmetric-inbound')) - before;
    this.#claim(
      'S14',
      'the gateway sees and counts it',
      counted >= flow.ping.received && counted > 0,
      `asymmetric-inbound ${counted}`,
    );
    const mac = await this.#driver.gatewayMac('vm3');
    this.#claim(
      'S15',
      "the source gateway's ARP has not reached it",
      mac === T_MAC,
      `192.168.10.1 is at ${mac}`,
    );
    await this.#state('S25', 'vm3', 'LOCAL_PENDING', 'the VM is not shown as learned');
    await this.#driver.setHostRouteFilter(false);
    const now = await this.#driver.sourceHasHostRoute('vm3', true, LEARN_MS);
    const healed = await this.#flow('vm3', 'src-host');
    this.#claim('S25', 'the filter gone, the /32 is learned', now, now ? 'by BGP over the WAN' : 'not there');
    this.#expect('S14', 'and the flow is symmetric', healed, 'WAN');
  }

  #begin(step: string, title: string): void {
    this.#step = { step, title, flows: [], claims: [] };
    this.#steps.push(this.#step);
    this.#options.write(stepHead(this.#options.paint, this.#step));
  }

  async #flow(from: HostName, to: HostName): Promise<FlowReport> {
    this.#options.signal.throwIfAborted();
    const hops = await this.#driver.path(from, to);
    const ping = await this.#driver.ping(from, to, ECHOES);
    const report: FlowReport = {
      flow: `${from} → ${to}`,
      path: [from, ...hops.map((h) => h.node)].join(' → '),
      verdict: verdictOf(ping),
      ping,
      hops,
    };
    this.#step.flows.push(report);
    this.#options.write(flowText(this.#options.paint, report));
    return report;
  }

  /** Claims that a flow took the way that `verdict` says, whole: all echoes, on exactly those links. */
  #expect(id: string, text: string, flow: FlowReport, verdict: Verdict): void {
    const { ping } = flow;
    const whole = ping.received === ping.sent;
    const exact = [ping.wanRequests, ping.wanReplies, ping.extensionRequests, ping.extensionReplies].every(
      (n) => n === 0 || n === ping.sent,
    );
    const seen = `${flow.verdict}, ${ping.received} of ${ping.sent} answered${exact ? '' : ', links counted other numbers'}`;
    this.#claim(id, text, flow.verdict === verdict && whole && exact, seen);
  }

  async #state(id: string, vm: HostName, state: string, text: string): Promise<void> {
    const row = (await this.#driver.vms()).find((v) => v.name === vm);
    const seen = row
      ? `${vm} is ${row.state}, gateway ${row.gatewaySide}, route ${row.route}`
      : `${vm} is unknown`;
    this.#claim(id, text, row?.state === state, seen);
  }

  #claim(id: string, text: string, held: boolean, seen: string): void {
    const claim: Claim = { id, text, held, seen };
    this.#step.claims.push(claim);
    this.#options.write(claimText(this.#options.paint, claim));
  }
}
