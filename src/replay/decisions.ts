// What the gateway decided about the replayed packets, counted by rule and by VM.
//
// Each packet is looked at where it leaves (`sent`, before the port has it: interfaces in and out, MACs and addresses say
// which rule carried it and whose packet it is) or where it ends (`ended`, after the round: its reason).

import type { Batch } from '../base/batch.ts';
import { RULE, RULES, type RuleName } from '../dataplane/rules.ts';
import type { InlineGateway } from '../gateway/inline.ts';
import type { Vm } from '../mobility/vm.ts';
import { REASONS, type ReasonName } from '../stats/reasons.ts';
import { IF_BRIDGED, IF_EXTENSION, IF_ROUTED } from '../tables/interface-table.ts';
import { SIDE_TARGET } from '../tables/vm-table.ts';
import {
  ETHERTYPE_IPV4,
  ethernetDstHi,
  ethernetDstLo,
  ethernetSrcHi,
  ethernetSrcLo,
  ethernetType,
} from '../wire/ethernet.ts';
import { ipv4Src } from '../wire/ipv4.ts';

/** What became of one VM's packets. */
export interface VmDecisions {
  readonly vm: string;
  readonly network: string;
  /** Packets from it that were sent on, by rule. */
  readonly from: Readonly<Partial<Record<RuleName, number>>>;
  /** Packets that were sent to it, by rule. */
  readonly to: Readonly<Partial<Record<RuleName, number>>>;
  /** Packets to it that the source gateway delivered though it is local (S14). */
  readonly asymmetric: number;
  /** Packets from it that ended in the gateway, by reason. */
  readonly ended: Readonly<Partial<Record<ReasonName, number>>>;
}

export class Decisions {
  /** Packets sent, by rule. */
  readonly rules = new Float64Array(RULES.length);
  readonly #gateway: () => InlineGateway;
  readonly #from: Float64Array;
  readonly #to: Float64Array;
  readonly #asymmetric: Float64Array;
  readonly #ended = new Map<number, number>();
  readonly #vmByIp = new Map<number, number>();

  /** @param vmRows rows of the VM table. @param gateway known when the first received packet leaves. */
  constructor(vmRows: number, gateway: () => InlineGateway) {
    this.#gateway = gateway;
    this.#from = new Float64Array(vmRows * RULES.length);
    this.#to = new Float64Array(vmRows * RULES.length);
    this.#asymmetric = new Float64Array(vmRows);
  }

  /** VMs or their addresses have changed. */
  inventoryChanged(): void {
    const { inventory, shared } = this.#gateway().plane;
    this.#vmByIp.clear();
    for (const vm of inventory.list()) {
      const row = shared.vms.find(vm.network, vm.macHi, vm.macLo);
      for (const ip of vm.addresses) if (row >= 0) this.#vmByIp.set(ip, row);
    }
  }

  /** Slots `idx[0..n-1]` are about to leave, of which the port took the first `taken`. */
  sent(batch: Batch, idx: Uint16Array, taken: number): void {
    for (let k = 0; k < taken; ) {
      const transit = this.#transitRun(batch, idx, k, taken);
      if (transit === 0) this.#sentOne(batch, idx[k]);
      this.rules[RULE.transit] += transit;
      k += Math.max(transit, 1);
    }
  }

  /** How many packets from `idx[first]` on came and leave by the routed interfaces of that one. */
  #transitRun(batch: Batch, idx: Uint16Array, first: number, end: number): number {
    const iface = batch.iface[idx[first]];
    const outIface = batch.outIface[idx[first]];
    if (batch.originated[idx[first]] !== 0) return 0; // also those that leave before there is a gateway to ask
    const { kind } = this.#gateway().plane.interfaces;
    if (kind[iface] !== IF_ROUTED || kind[outIface] !== IF_ROUTED) return 0;
    let k = first;
    for (; k < end; k++) {
      const i = idx[k];
      if (batch.iface[i] !== iface || batch.outIface[i] !== outIface || batch.originated[i] !== 0) break;
    }
    return k - first;
  }

  #sentOne(batch: Batch, i: number): void {
    if (batch.originated[i] !== 0) {
      this.rules[RULE['made-by-gateway']]++;
      return;
    }
    const { interfaces } = this.#gateway().plane;
    const from = interfaces.kind[batch.iface[i]];
    const to = interfaces.kind[batch.outIface[i]];
    const rule = this.#ruleOf(batch, i, from, to);
    this.rules[rule]++;
    if (from !== IF_ROUTED) {
      const sender = this.#sender(batch, i);
      if (sender >= 0) this.#from[sender * RULES.length + rule]++;
    }
    if (to === IF_BRIDGED) {
      const { view, off } = batch;
      const network = interfaces.network[batch.outIface[i]];
      const receiver = this.#vm(network, ethernetDstHi(view, off[i]), ethernetDstLo(view, off[i]));
      if (receiver < 0) return;
      this.#to[receiver * RULES.length + rule]++;
      if (from === IF_EXTENSION && this.#isAsymmetric(batch, i, network, receiver))
        this.#asymmetric[receiver]++;
    }
  }

  #ruleOf(batch: Batch, i: number, from: number, to: number): number {
    if (from === IF_ROUTED) return RULE['routed-to-local'];
    if (to === IF_ROUTED) return RULE['local-to-routed'];
    const { interfaces, networks } = this.#gateway().plane;
    const { view, off } = batch;
    const network = interfaces.network[batch.outIface[i]];
    if (to === IF_EXTENSION) {
      const hi = ethernetDstHi(view, off[i]);
      const lo = ethernetDstLo(view, off[i]);
      const toGateway = hi === networks.sourceMacHi[network] && lo === networks.sourceMacLo[network];
      return toGateway ? RULE['bridge-to-source-gateway'] : RULE['bridge-extension'];
    }
    if (from === IF_EXTENSION) return RULE['bridge-extension'];
    const hi = ethernetSrcHi(view, off[i]);
    const lo = ethernetSrcLo(view, off[i]);
    const routed = hi === networks.targetMacHi[network] && lo === networks.targetMacLo[network];
    return routed ? RULE['local-to-local'] : RULE['bridge-local'];
  }

  /** Row of the VM that sent slot `i`, -1 for none: by its MAC, or by its address where the MAC was rewritten. */
  #sender(batch: Batch, i: number): number {
    const { view } = batch;
    const off = batch.off[i];
    const network = this.#gateway().plane.interfaces.network[batch.iface[i]];
    const byMac = this.#vm(network, ethernetSrcHi(view, off), ethernetSrcLo(view, off));
    if (byMac >= 0) return byMac;
    const l3 = off + batch.l3[i];
    if (batch.len[i] < batch.l3[i] + 20 || view.getUint16(l3 - 2) !== ETHERTYPE_IPV4) return -1;
    return this.#vmByIp.get(ipv4Src(view, l3)) ?? -1;
  }

  #vm(network: number, macHi: number, macLo: number): number {
    return this.#gateway().plane.shared.vms.find(network, macHi, macLo);
  }

  /** Whether the source gateway delivers a packet to a VM whose gateway is the target's. */
  #isAsymmetric(batch: Batch, i: number, network: number, receiver: number): boolean {
    const { networks, shared } = this.#gateway().plane;
    const { view } = batch;
    const off = batch.off[i];
    return (
      shared.vms.side[receiver] === SIDE_TARGET &&
      ethernetSrcLo(view, off) === networks.sourceMacLo[network] &&
      ethernetSrcHi(view, off) === networks.sourceMacHi[network] &&
      ethernetType(view, off + batch.l3[i] - 14) === ETHERTYPE_IPV4
    );
  }

  /** A round is over: what of its packets ended in the gateway. */
  ended(batch: Batch): void {
    if (!batch.marked) return;
    const { interfaces } = this.#gateway().plane;
    for (let i = 0; i < batch.count; i++) {
      const reason = batch.reason[i];
      if (reason === 0 || batch.originated[i] !== 0) continue;
      if (REASONS[reason].cls === 'note' || interfaces.kind[batch.iface[i]] === IF_ROUTED) continue;
      const sender = this.#sender(batch, i);
      if (sender < 0) continue;
      const key = sender * REASONS.length + reason;
      this.#ended.set(key, (this.#ended.get(key) ?? 0) + 1);
    }
  }

  /** The decisions about one VM. */
  ofVm(vm: Vm, network: string): VmDecisions {
    const row = this.#vm(vm.network, vm.macHi, vm.macLo);
    const named = (counts: Float64Array): VmDecisions['from'] =>
      Object.fromEntries(
        RULES.flatMap((rule, r) => {
          const packets = counts[row * RULES.length + r];
          return packets > 0 ? [[rule.name, packets]] : [];
        }),
      );
    const ended = REASONS.flatMap((reason, r) => {
      const packets = this.#ended.get(row * REASONS.length + r);
      return packets === undefined ? [] : [[reason.name, packets] as const];
    });
    return {
      vm: vm.name,
      network,
      from: named(this.#from),
      to: named(this.#to),
      asymmetric: this.#asymmetric[row],
      ended: Object.fromEntries(ended),
    };
  }
}
