import { describe, expect, it } from 'vitest';
import { NearhopError } from '../../src/base/errors.ts';
import { portId } from '../../src/base/ids.ts';
import { parseTraceRequest, type TraceRequest } from '../../src/dataplane/trace-request.ts';
import { IF_BRIDGED, IF_BVI, IF_ROUTED, InterfaceTable } from '../../src/tables/interface-table.ts';
import { NetworkTable } from '../../src/tables/network-table.ts';

function tables() {
  const interfaces = new InterfaceTable();
  const networks = new NetworkTable();
  const common = { macHi: 0, macLo: 0, ip: 0, prefixLen: 0, mtu: 1500, hostStack: false };
  interfaces.add({ ...common, name: 'wan', kind: IF_ROUTED, port: portId(0), vlan: 0 });
  const green = networks.add({
    name: 'green',
    subnet: 0xc0a80a00,
    prefixLen: 24,
    gatewayIp: 0xc0a80a01,
    targetMacHi: 0,
    targetMacLo: 1,
    sourceMacHi: 0,
    sourceMacLo: 2,
    proximity: true,
    stale: 0,
    dropAsymmetric: false,
    mssClamp: false,
    floodPps: 0,
  });
  networks.setBvi(
    green,
    interfaces.add({ ...common, name: 'bvi.green', kind: IF_BVI, vlan: 0, network: green }),
  );
  const member = { ...common, kind: IF_BRIDGED, network: green } as const;
  networks.addLocal(green, interfaces.add({ ...member, name: 't0.10', port: portId(1), vlan: 10 }));
  networks.addLocal(green, interfaces.add({ ...member, name: 't1.10', port: portId(2), vlan: 10 }));
  return { interfaces, networks };
}

const parse = (request: TraceRequest) => {
  const { interfaces, networks } = tables();
  return parseTraceRequest(request, interfaces, networks);
};

describe('parseTraceRequest', () => {
  it('turns words into numbers', () => {
    expect(parse({ host: '10.0.0.1', port: 443, protocol: 'TCP', mac: '02:00:00:00:00:01' })).toEqual({
      host: 0x0a000001,
      port: 443,
      protocol: 6,
      mac: { hi: 0x0200, lo: 1 },
    });
    expect(parse({ protocol: 'arp' })).toEqual({ etherType: 0x0806 });
    expect(parse({ protocol: '89' })).toEqual({ protocol: 89 });
    expect(parse({})).toEqual({});
  });

  it('an interface is its port and VLAN, a BVI the ports of its members', () => {
    expect(parse({ interface: 'wan' })).toEqual({ inPorts: [0], vlan: 0 });
    expect(parse({ interface: 't0.10', vlan: 10 })).toEqual({ inPorts: [1], vlan: 10 });
    expect(parse({ interface: 'bvi.green' })).toEqual({ inPorts: [1, 2], vlan: 10 });
  });

  it.each<[TraceRequest, string]>([
    [{ host: '10.0.0' }, 'ipv4-malformed'],
    [{ mac: 'zz' }, 'mac-malformed'],
    [{ protocol: 'tpc' }, 'trace-protocol-unknown'],
    [{ protocol: '300' }, 'trace-protocol-unknown'],
    [{ interface: 'lan' }, 'trace-interface-unknown'],
    [{ interface: 'wan', vlan: 10 }, 'trace-filter-empty'],
    [{ port: 70_000 }, 'trace-value-range'],
    [{ vlan: 1.5 }, 'trace-value-range'],
  ])('%j is refused with %s', (request, code) => {
    let error: unknown;
    try {
      parse(request);
    } catch (e) {
      error = e;
    }
    expect(error).toBeInstanceOf(NearhopError);
    expect((error as NearhopError).code).toBe(code);
  });
});
