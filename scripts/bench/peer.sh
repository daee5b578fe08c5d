#!/bin/bash
# Nearhop as the device under test between a generator and a sink: peer.sh l3|l2, in the namespace of the devices d0 and d1.
# It stays in the foreground, until a signal ends it; npm run build comes first.
#
#   generator 10.1.0.2 -- d0 10.1.0.1 | Nearhop | d1 10.2.0.1 -- 10.2.0.2 sink
#   l3  routes both subnets, and H3_ROUTES (default 1000) host routes from 10.3.0.1 on by the sink
#   l2  bridges d0 and d1: one network without an extension and without a gateway of its own
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

config_l3() {
  cat <<'YAML'
gateway: { name: dut-l3 }
ports:
  - { name: d0, kind: af-packet, device: d0 }
  - { name: d1, kind: af-packet, device: d1 }
interfaces: # hostStack: the kernel of this namespace has no addresses, so Nearhop answers ARP and ping
  - { name: left, port: d0, address: 10.1.0.1/24, hostStack: false }
  - { name: right, port: d1, address: 10.2.0.1/24, hostStack: false }
routes:
YAML
  awk -v n="${H3_ROUTES:-1000}" 'BEGIN {
    for (i = 1; i <= n; i++)
      printf "  - { prefix: 10.%d.%d.%d/32, via: 10.2.0.2 }\n", 3 + int(i / 65536), int(i / 256) % 256, i % 256
  }'
}

config_l2() {
  cat <<'YAML'
gateway: { name: dut-l2 }
ports:
  - { name: d0, kind: af-packet, device: d0 }
  - { name: d1, kind: af-packet, device: d1 }
networks:
  - name: lan
    subnet: 10.9.0.0/24
    gateway: { address: 10.9.0.254, mac: "02:00:00:00:09:fe" }
    proximityRouting: false
    members: [d0, d1]
YAML
}

case ${1:-} in
  l3 | l2) exec node "$root/dist/main.mjs" run -c - < <("config_$1") ;;
  *)
    echo "usage: ${0##*/} l3|l2" >&2
    exit 2
    ;;
esac
