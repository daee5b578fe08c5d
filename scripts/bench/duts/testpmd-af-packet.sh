#!/bin/bash
# DPDK's testpmd over its af_packet driver, as a device under test of `nearhop bench wire`. Its core polls without pause. For l3 it sets
# both MACs and does nothing else a router does: no lookup, no TTL, which the report says.
. "${0%/*}/common.sh"
need dpdk-testpmd dpdk-dev

port() { # NUMBER DEVICE
  echo "${TESTPMD_DRIVER:-net_af_packet}$1,iface=$2,${TESTPMD_OPTIONS:-qpairs=1,qdisc_bypass=1,blocksz=65536,framesz=2048,framecnt=4096}"
}
forward=(--forward-mode=io)
[ "$MODE" = l3 ] && forward=(--forward-mode=mac --eth-peer=0,$G0 --eth-peer=1,$S0)

drop_behind_sockets
ulimit -l unlimited 2>/dev/null || true # of AF_XDP; who may lock memory anyway needs no limit
# Interactive, and nobody types: at the end of its input it would end too.
exec dpdk-testpmd --no-huge -m 512 --no-pci --no-telemetry --file-prefix "bench-$$" --lcores '0@1,1@1' \
  --vdev="$(port 0 d0)" --vdev="$(port 1 d1)" -- \
  --nb-cores=1 --no-flush-rx --total-num-mbufs=16384 "${forward[@]}" --auto-start -i < <(exec sleep infinity)
