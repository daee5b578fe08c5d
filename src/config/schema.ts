// The one schema of a gateway's config file: it gives the types, the JSON Schema (`nearhop schema`) and the first half of the
// errors. What a single value cannot tell (duplicates, overlaps, references) is in the check-*.ts files.

import { z } from 'zod';
import {
  deviceField,
  interfaceAddressField,
  ipv4Field,
  macField,
  mtuField,
  nameField,
  prefixField,
  vlanField,
} from './fields.ts';

/** Bounds of src/tables (interface-table.ts, network-table.ts), which stands on the same floor; a test holds them equal. */
export const MAX_INTERFACES = 256;
export const MAX_NETWORKS = 64;
/** Data-plane workers; far below the readers that the tables allow. */
export const MAX_WORKERS = 16;

const ratio = (description: string) => z.number().min(0).max(1).default(0).describe(description);
const seconds = (description: string, max = 86_400) => z.int().min(0).max(max).describe(description);

const gateway = z
  .strictObject({
    name: nameField.describe('Name of this gateway; names its control socket too'),
    routerId: ipv4Field.optional().describe('BGP identifier. Default: the highest interface address'),
    controlSocket: z
      .string()
      .min(1)
      .max(107) // sun_path is 108 bytes with its zero (unix(7))
      .optional()
      .describe(
        'Path of the control socket. Default: /run/nearhop/NAME.sock, or the runtime directory of the user',
      ),
    packetMemoryMiB: z
      .int()
      .min(16)
      .max(2047) // frame offsets are signed 32-bit numbers
      .default(256)
      .describe(
        'Address range for packets of each worker, in MiB; pages are taken from the system when touched',
      ),
    spinMs: z
      .number()
      .min(0)
      .max(1000)
      .default(4)
      .describe(
        'While packets come closer together than this, in ms, the data plane stays awake for the next; 0: never',
      ),
    maxVms: z
      .int()
      .min(1)
      .max(1 << 20)
      .default(16384)
      .describe('Most VMs; rounded up to a power of two'),
    workers: z
      .int()
      .min(1)
      .max(MAX_WORKERS)
      .default(1)
      .describe(
        'Threads of the data plane, which share af-packet and TAP devices by flow; more than one needs as many idle cores',
      ),
    siteAddress: ipv4Field
      .optional()
      .describe("Source address of the gateway's ICMP errors. Default: the address of the ingress interface"),
  })
  .describe('The gateway itself');

const fault = z
  .strictObject({
    loss: ratio('Share of packets that are lost, 0 to 1'),
    corrupt: ratio('Share of packets with a flipped bit'),
    duplicate: ratio('Share of packets that arrive twice'),
    reorder: ratio('Share of packets that are overtaken'),
    delayMs: z.number().min(0).max(60_000).default(0).describe('Delay of every packet in milliseconds'),
    seed: z.int().min(0).max(0xffffffff).default(1).describe('Seed: the same one gives the same faults'),
  })
  .describe('Faults on purpose, in both directions');

const anyPort = {
  name: nameField.describe('Name of the port, unique'),
  mtu: mtuField.optional(),
  mac: macField.optional().describe("MAC of the port. Default: the device's own, or one made from the names"),
  fault: fault.optional(),
};

const hostDevice = {
  device: deviceField,
  waitSeconds: seconds('Wait so long at start for a device that is not there yet (containers)', 3600).default(
    0,
  ),
};

const port = z
  .discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('af-packet').describe('A device of the host, by AF_PACKET rings'),
      ...anyPort,
      ...hostDevice,
      rxSlots: z
        .int()
        .min(16)
        .max(32768)
        .default(4096)
        .describe('Frames that the receive ring holds; each takes about 2 KiB of packet memory'),
      kernelDrop: z
        .boolean()
        .default(false)
        .describe(
          "Keep the device's frames from the host's stack (tc), which then works for no frame in vain; needs hostStack: false",
        ),
    }),
    z.strictObject({
      kind: z
        .literal('af-xdp')
        .describe('A device of the host, by an AF_XDP socket on one of its receive queues'),
      ...anyPort,
      ...hostDevice,
      queue: z.int().min(0).max(63).default(0).describe('Receive queue of the device'),
      mode: z
        .enum(['auto', 'native', 'generic'])
        .default('auto')
        .describe(
          "Where the XDP program runs: in the device's driver (native), or in the kernel's stack (generic)",
        ),
      rxSlots: z
        .int()
        .min(64)
        .max(16384)
        .default(2048)
        .describe('Frames that wait for the gateway at most, rounded up to a power of two; each takes 2 KiB'),
    }),
    z.strictObject({
      kind: z.literal('cap').describe('A device of the host, by libpcap (npm package cap)'),
      ...anyPort,
      ...hostDevice,
    }),
    z.strictObject({
      kind: z.literal('tap').describe('A TAP device that the gateway makes'),
      ...anyPort,
      device: deviceField,
    }),
    z.strictObject({
      kind: z.literal('vxlan').describe('A VXLAN segment (RFC 7348) over UDP'),
      ...anyPort,
      vni: z.int().min(0).max(0xffffff).describe('VXLAN network identifier, 24 bits'),
      local: ipv4Field.describe('Address of the host that tunnel packets come from'),
      remotes: z
        .array(ipv4Field)
        .min(1)
        .max(64)
        .describe('Tunnel endpoints; each gets a copy of what is flooded'),
      udpPort: z.int().min(1).max(65535).default(4789).describe('UDP port'),
      gsoDevice: deviceField
        .optional()
        .describe(
          'TAP device for the gateway to make, by which TCP over IPv4 leaves in pieces of up to 64 KB; they pass the ' +
            "host's forwarding rules. Linux 6.17 or later. Default: the gateway cuts them itself",
        ),
    }),
    z.strictObject({
      kind: z
        .literal('raw-ip')
        .describe("The host's IP stack, by a raw socket (npm package raw-socket); no Ethernet"),
      ...anyPort,
    }),
    z.strictObject({
      kind: z.literal('pcap-file').describe('A capture to read from and one to write to'),
      ...anyPort,
      in: z.string().min(1).optional().describe('Capture whose frames the port receives'),
      out: z.string().min(1).optional().describe('Capture that gets what the port sends'),
    }),
    z.strictObject({
      kind: z.literal('memory').describe('Frames from and to the same process: tests, replay, simulation'),
      ...anyPort,
    }),
  ])
  .describe('A place where frames enter and leave');

const routedInterface = z
  .strictObject({
    name: nameField.describe('Name of the interface, unique'),
    port: nameField.describe('Name of the port'),
    vlan: vlanField.default(0),
    address: interfaceAddressField,
    mac: macField.optional().describe("MAC of the interface. Default: the port's"),
    mtu: mtuField.optional().describe("Largest layer-3 packet in bytes. Default: the port's, or 1500"),
    hostStack: z
      .boolean()
      .optional()
      .describe(
        "The host's stack owns the address and answers for it. Default: true for af-packet, af-xdp and cap, else false",
      ),
  })
  .describe('A routed (layer-3) interface');

const member = z
  .union([
    nameField.describe('Name of the port, untagged').transform((name) => ({ port: name, vlan: 0 })),
    z.strictObject({ port: nameField.describe('Name of the port'), vlan: vlanField.default(0) }),
  ])
  .describe('A port, or one VLAN of a port, behind which VMs of this network live');

const side = z.enum(['source', 'target']);

const vm = z
  .strictObject({
    name: nameField.describe('Name of the VM, unique'),
    mac: macField,
    addresses: z.array(ipv4Field).max(16).default([]).describe('IPv4 addresses that are reported for the VM'),
    location: side.default('source').describe('Site where the VM runs'),
    gateway: side
      .optional()
      .describe('Gateway of a VM at the target: target (local VM) or source (pinned, the default)'),
  })
  .describe('A VM of the network');

const network = z
  .strictObject({
    name: nameField.describe('Name of the network, unique'),
    subnet: prefixField,
    gateway: z
      .strictObject({
        address: ipv4Field.describe('Address of the default gateway, the same at both sites'),
        mac: macField.describe('T-MAC: MAC of the gateway at the target'),
        sourceMac: macField.optional().describe('S-MAC: MAC of the gateway at the source. Default: learned'),
      })
      .describe('The default gateway of the VMs'),
    proximityRouting: z
      .boolean()
      .default(true)
      .describe('Local VMs use the target gateway, and their /32s are announced'),
    extension: z
      .strictObject({
        port: nameField.describe('Name of the port that leads to the source site'),
        vlan: vlanField.default(0),
        mtu: mtuField.default(1500),
        mssClamp: z
          .boolean()
          .default(true)
          .describe('Lower the MSS of TCP connections that cross the extension'),
      })
      .optional()
      .describe('The way to the same network at the source site'),
    members: z.array(member).default([]).describe('Ports of the VMs at the target'),
    staleGateway: z
      .enum(['intercept', 'bridge', 'drop'])
      .default('intercept')
      .describe("What becomes of a local VM's frame to the MAC of the source gateway"),
    asymmetric: z
      .enum(['deliver', 'drop'])
      .default('deliver')
      .describe('What becomes of a packet that the source gateway delivers to a local VM'),
    floodPps: z
      .int()
      .min(0)
      .max(0xffffffff)
      .default(10_000)
      .describe('Flooded packets a second, 0 for no limit'),
    vms: z.array(vm).default([]).describe('VMs known from the start'),
  })
  .describe('An extended network');

const via = z.union([ipv4Field.transform((address) => [address]), z.array(ipv4Field).min(1).max(64)]);

const route = z
  .strictObject({
    prefix: prefixField,
    via: via.optional().describe('Next hop, or several for equal-cost paths'),
    blackhole: z.boolean().default(false).describe('Drop what matches the prefix'),
  })
  .describe('A static route: via or blackhole');

const asn = z.int().min(1).max(0xfffffffe);

const neighbor = z
  .strictObject({
    name: nameField.optional().describe('Name of the neighbor. Default: its address'),
    address: ipv4Field,
    as: asn.describe('AS of the neighbor'),
    port: z.int().min(1).max(65535).default(179).describe('TCP port'),
    localAddress: ipv4Field
      .optional()
      .describe('Local address of the session. Default: chosen by the system'),
    holdSeconds: z
      .int()
      .max(65535)
      .refine((s) => s === 0 || s >= 3, {
        params: {
          code: 'value-out-of-range',
          message: 'a hold time is 0 or at least 3 seconds (RFC 4271 §4.2)',
          hint: 'the usual value is 90',
        },
      })
      .default(90)
      .describe('Hold time in seconds, 0 or at least 3'),
    passive: z.boolean().default(false).describe('Wait for the neighbor to connect'),
    maxPrefixes: z
      .int()
      .min(1)
      .default(1_000_000)
      .describe('Most prefixes from this neighbor; beyond that the session is closed'),
  })
  .describe('A BGP neighbor');

const bgp = z
  .strictObject({
    as: asn.describe('AS of this gateway'),
    listen: z.boolean().default(true).describe('Accept connections'),
    port: z.int().min(1).max(65535).default(179).describe('TCP port to listen on'),
    redistribute: z
      .array(z.enum(['mobility', 'connected', 'static']))
      .default(['mobility'])
      .describe(
        'Routes that are announced: the /32s of local VMs (mobility), interface subnets, static routes',
      ),
    neighbors: z.array(neighbor).default([]),
  })
  .describe('BGP speaker');

export const configSchema = z
  .strictObject({
    gateway,
    ports: z.array(port).default([]).describe('Places where frames enter and leave'),
    interfaces: z.array(routedInterface).default([]).describe('Routed interfaces'),
    networks: z.array(network).max(MAX_NETWORKS).default([]).describe('Extended networks'),
    routes: z.array(route).default([]).describe('Static routes'),
    bgp: bgp.optional(),
  })
  .describe('Config of a Nearhop gateway');

/** What the schema gives: addresses as numbers, defaults filled in, cross-references not yet looked at. */
export type ParsedConfig = z.output<typeof configSchema>;

/** JSON Schema (draft 7, which editors' YAML servers know) of the file as it is written. */
export function configJsonSchema(): Record<string, unknown> {
  return z.toJSONSchema(configSchema, { io: 'input', target: 'draft-7' }) as Record<string, unknown>;
}
