import { expect, it } from 'vitest';
import {
  VNET_GSO_ECN,
  VNET_GSO_TCPV4,
  VNET_NEEDS_CSUM,
  VNET_TUNNEL_LEN,
  vnetEmit,
  vnetTunnelEmit,
} from '../../src/wire/virtio-net.ts';

it('vnetTunnelEmit counts from the outer frame what the inner header counts from the inner one', () => {
  const bytes = new Uint8Array(128).fill(0xa5);
  const view = new DataView(bytes.buffer);
  const off = 100;
  const at = off - 50 - VNET_TUNNEL_LEN;
  vnetEmit(view, off, VNET_NEEDS_CSUM, VNET_GSO_TCPV4 | VNET_GSO_ECN, 66, 1398, 34, 16);
  vnetTunnelEmit(view, at, off, 50, 34, 64);
  // struct virtio_net_hdr_v1_hash_tunnel, little-endian
  expect([...bytes.subarray(at, at + VNET_TUNNEL_LEN)]).toEqual([
    ...[1, 0x80 | 0x20 | 1, 116, 0, 0x76, 0x05, 84, 0, 16, 0, 0, 0],
    ...[0, 0, 0, 0, 0, 0, 0, 0, 34, 0, 64, 0],
  ]);
  expect(bytes[at - 1]).toBe(0xa5);
  expect(bytes[at + VNET_TUNNEL_LEN]).toBe(0xa5);
});
