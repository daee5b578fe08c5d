// Moves of a VM as an operator tells them to a running gateway, and what the VM and the source site see of them.

import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { EventRow, RouteRow, TraceRow, VmRow } from '../../src/gateway/api.ts';
import { createSite, GATEWAY_IP, NATIVE_IP, S_MAC, type Site, T_MAC, VM_IP } from './gateway-fixture.ts';
import { describeRoot, type LabProcess } from './netns.ts';

const VM3_MAC = '02:00:00:00:aa:03';

describeRoot('a running gateway', ['tcpdump', 'ping'], () => {
  let site: Site;

  beforeAll(async () => {
    site = createSite('nhp-vms');
    await site.up();
  });
  beforeEach(async () => {
    const [vm3] = await site
      .ask<readonly VmRow[]>('show', 'vms')
      .then((v) => v.filter((r) => r.name === 'vm3'));
    if (vm3.state !== 'AT_SOURCE') await migrate('reverse');
  });
  afterAll(() => site.cleanup());

  const migrate = (kind: string): Promise<VmRow> => site.ask<VmRow>('vm', 'migrate', 'vm3', kind);

  /** The host routes of local VMs. */
  const hostRoutes = async (): Promise<string[]> => {
    const rows = await site.ask<readonly RouteRow[]>('show', 'routes', '--source', 'mobility');
    return rows.map((r) => `${r.prefix} ${r.origin}`).sort();
  };

  /** MACs that answer when the VM asks for its gateway by broadcast: each answer once. */
  const whoAnswers = async (vm: 'vm1' | 'vm2' | 'vm3'): Promise<string[]> => {
    const ns = site.ns[vm];
    const capture = await listen(ns, 'eth0', `arp[6:2] == 2 and arp src host ${GATEWAY_IP}`);
    site.net.exec(ns, 'ip neigh flush dev eth0');
    await site.reach(ns, GATEWAY_IP);
    return (await heard(capture)).flatMap((line) => / is-at ([0-9a-f:]+)/.exec(line)?.[1] ?? []);
  };

  const gatewayOf = (vm: 'vm3'): string =>
    site.net.exec(site.ns[vm], `ip neigh show ${GATEWAY_IP}`).match(/lladdr (\S+)/)?.[1] ?? 'none';

  async function listen(ns: string, device: string, filter: string): Promise<LabProcess> {
    const capture = site.net.spawn(ns, ['tcpdump', '-Uln', '-e', '-i', device, filter]);
    await capture.waitFor(/listening on/);
    return capture;
  }

  /** What was captured, after the time that an answer over the extension takes. */
  async function heard(capture: LabProcess): Promise<string[]> {
    await new Promise((resolve) => setTimeout(resolve, 300));
    await capture.stop();
    return capture
      .output()
      .split('\n')
      .filter((line) => / > /.test(line));
  }

  test('alone answers a local VM for its gateway, and leaves a pinned one to the source (S15, S19)', async () => {
    const leaks = await listen(site.ns.source, 'vx0', `ether src ${T_MAC}`);
    expect(await whoAnswers('vm1')).toEqual([T_MAC]);
    expect(await whoAnswers('vm2')).toEqual([S_MAC]);
    expect(await heard(leaks)).toEqual([]);
  });

  test('switches a bulk-migrated VM at once: host route, gratuitous ARP of T, RARP of the VM (S18)', async () => {
    expect(await whoAnswers('vm3')).toEqual([S_MAC]);
    expect(await hostRoutes()).toEqual([`${VM_IP.vm1}/32 vm1`]);
    const [atVm, elsewhere, atSource] = await Promise.all([
      listen(site.ns.vm3, 'eth0', 'arp'),
      listen(site.ns.vm2, 'eth0', `ether src ${T_MAC} and not ether dst ${VM3_MAC}`),
      listen(site.ns.source, 'vx0', `ether proto 0x8035 or ether src ${T_MAC}`),
    ]);
    const row = await migrate('bulk');
    expect(row).toMatchObject({
      ...{ state: 'LOCAL_PENDING', route: 'injected', location: 'target', gatewaySide: 'target' },
      ...{ source: 'migrated', alarm: '' },
    });
    expect(await hostRoutes()).toEqual([`${VM_IP.vm1}/32 vm1`, `${VM_IP.vm3}/32 vm3`]);
    const arp = (await heard(atVm)).join('\n');
    expect(arp).toMatch(
      new RegExp(`${T_MAC} > ${VM3_MAC}, .* ${GATEWAY_IP.replaceAll('.', '\\.')} is-at ${T_MAC}`),
    );
    expect(gatewayOf('vm3')).toBe(T_MAC); // the VM has not asked
    expect(await heard(elsewhere)).toEqual([]);
    expect(await heard(atSource)).toEqual([expect.stringContaining(`${VM3_MAC} > ff:ff:ff:ff:ff:ff`)]);
    expect(await whoAnswers('vm3')).toEqual([T_MAC]);
    await site.reach(site.ns.vm3, NATIVE_IP);
  });

  test('leaves a vMotioned VM on the source gateway until its power cycle (S19)', async () => {
    expect(await migrate('vmotion')).toMatchObject({
      ...{ state: 'PINNED', route: 'none', location: 'target', gatewaySide: 'source' },
    });
    expect(await hostRoutes()).toEqual([`${VM_IP.vm1}/32 vm1`]);
    expect(await whoAnswers('vm3')).toEqual([S_MAC]);
    await site.reach(site.ns.vm3, NATIVE_IP); // trombone: S, WAN, gateway

    expect(await migrate('power-cycle')).toMatchObject({ state: 'LOCAL_PENDING', gatewaySide: 'target' });
    expect(await hostRoutes()).toEqual([`${VM_IP.vm1}/32 vm1`, `${VM_IP.vm3}/32 vm3`]);
    await expect.poll(() => gatewayOf('vm3')).toBe(T_MAC);
    expect(await whoAnswers('vm3')).toEqual([T_MAC]);
  });

  test('withdraws the host route of a VM that goes back', async () => {
    const { seq } = await migrate('dr');
    expect(await hostRoutes()).toContain(`${VM_IP.vm3}/32 vm3`);
    expect(await migrate('reverse')).toMatchObject({ state: 'AT_SOURCE', route: 'none', seq: seq + 1 });
    expect(await hostRoutes()).toEqual([`${VM_IP.vm1}/32 vm1`]);
    expect(await whoAnswers('vm3')).toEqual([S_MAC]);
  });

  test('sees that the source delivers over the extension, and says that the /32 is not learned (S14)', async () => {
    await migrate('bulk');
    expect(await site.ask<VmRow>('vm', 'mark-learned', 'vm3')).toMatchObject({
      state: 'LOCAL',
      route: 'learned',
    });
    // the source has no host route for vm3, so its router looks for the VM in the extended network
    await site.reach(site.ns.host, VM_IP.vm3);
    await expect
      .poll(async () => (await site.ask<readonly VmRow[]>('show', 'vms')).find((v) => v.name === 'vm3'))
      .toMatchObject({
        state: 'LOCAL_PENDING',
        route: 'injected',
        alarm: expect.stringContaining('not-learned'),
      });
    const events = await site.ask<readonly EventRow[]>('events');
    expect(events.map((e) => `${e.kind} ${e.vm}`)).toContain('asymmetric-inbound vm3');
  });

  test('refuses what cannot be, and says what can', async () => {
    const wrong = async (...args: string[]): Promise<[number | null, string]> => {
      const { code, stderr } = await site.nearhop(...args, '--socket', site.socket);
      return [code, stderr];
    };
    expect(await wrong('vm', 'migrate', 'vm3', 'power-cycle')).toEqual([
      1,
      expect.stringMatching(/\[transition-invalid\][\s\S]*bulk, dr or vmotion/),
    ]);
    expect(await wrong('vm', 'migrate', 'nobody', 'bulk')).toEqual([
      1,
      expect.stringContaining('[vm-unknown]'),
    ]);
    expect(await wrong('vm', 'migrate', 'vm3', 'beam')).toEqual([2, expect.stringContaining('beam')]);
    expect(await wrong('vm', 'set-ip', 'vm3', '10.1.1.1')).toEqual([
      1,
      expect.stringContaining('[address-outside]'),
    ]);
  });

  test('traces a ping with its steps', async () => {
    await site.reach(site.ns.vm1, NATIVE_IP); // so that both neighbors are known
    const argv = ['trace', '--host', NATIVE_IP, '--proto', 'icmp', '--count', '2', '--json'];
    const rows = site.ask<readonly TraceRow[]>(...argv);
    const ping = site.net.spawn(site.ns.vm1, `exec ping -n -i 0.1 ${NATIVE_IP}`);
    const [request, reply] = await rows;
    await ping.stop();
    expect([request.port, reply.port]).toEqual(['p1', 'nat']);
    expect(request.packet).toContain(`${VM_IP.vm1} > ${NATIVE_IP}: ICMP echo request`);
    const nodes = (row: TraceRow): string[] => row.steps.map((step) => step.node);
    expect(nodes(request)).toEqual([
      ...['ethernet-input', 'l2-guard', 'l2-learn', 'l2-classify', 'ip4-input'],
      ...['ip4-lookup', 'ip4-neighbor', 'ip4-rewrite', 'interface-output'], // the host is on a connected network
    ]);
    expect(request.steps.map((step) => step.rule).join(' ')).toContain('S7');
    expect(request.text).toContain('sent on native');
    expect(reply.text).toContain('sent on p1');
  });

  test('shows where everybody is', async () => {
    await site.reach(site.ns.vm2, VM_IP.vm4);
    await site.reach(site.ns.vm2, VM_IP.vm1);
    const vms = await site.ask<readonly VmRow[]>('show', 'vms', 'green');
    expect(vms.map((v) => `${v.name} ${v.state} ${v.port}`)).toEqual([
      'vm1 LOCAL_PENDING p1',
      'vm2 PINNED p2',
      expect.stringMatching(/^vm3 AT_SOURCE /),
      'vm4 AT_SOURCE ext',
    ]);
  });
});
