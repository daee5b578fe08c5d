# What the devices under test of this folder share; sourced. `nearhop bench wire --dut scripts/bench/duts/NAME.sh` starts one in the
# namespace that has d0 and d1, with BENCH_MODE (l3, l2), BENCH_ROUTES, BENCH_DEFAULT_ROUTE and BENCH_DIR (bench wire --help).
set -euo pipefail

MODE=${BENCH_MODE:?is set by nearhop bench wire: l3 or l2}
ROUTES=${BENCH_ROUTES:-1000}
# MACs of the wire: generator, both sides of the device under test, sink.
G0=02:00:00:00:01:02 D0=02:00:00:00:01:01 D1=02:00:00:00:02:01 S0=02:00:00:00:02:02

# need COMMAND PACKAGE: ends with what to install when the command is missing.
need() {
  command -v "$1" >/dev/null && return
  echo "${0##*/} needs $1, of the Debian package $2: apt-get install $2" >&2
  exit 1
}

# Drops each frame behind the packet sockets of d0 and d1, so that the kernel does not also work on it. For every device under test
# that takes its frames from a packet socket; bench wire does the same for Nearhop.
drop_behind_sockets() {
  local device
  for device in d0 d1; do
    tc qdisc add dev "$device" clsact
    tc filter add dev "$device" ingress bpf bytecode '1,6 0 0 2' da # one instruction: return TC_ACT_SHOT
  done
}

# each_route FORMAT: prints FORMAT, with %s as the address, for each host route.
each_route() {
  awk -v n="$ROUTES" -v format="$1" 'BEGIN {
    for (a = 10 * 2^24 + 3 * 2^16 + 1; n-- > 0; a++) {
      address = int(a / 2^24) "." int(a / 2^16) % 256 "." int(a / 256) % 256 "." a % 256
      printf(format "\n", address)
    }
  }'
}
