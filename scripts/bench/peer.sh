#!/bin/bash
# Nearhop as the device under test of another benchmark: peer.sh l3|l2, in the namespace of the devices d0 and d1. It stays in the
# foreground, until a signal ends it; npm run build comes first. `nearhop bench wire --help` says what the wire looks like.
# H3_ROUTES is the number of host routes (default 1000), H3_PORTS the kind of the ports (default af-packet).
set -euo pipefail
nearhop=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/dist/main.mjs

case ${1:-} in
  l3 | l2)
    exec node "$nearhop" run -c - < <(
      node "$nearhop" bench config --mode "$1" --routes "${H3_ROUTES:-1000}" --ports "${H3_PORTS:-af-packet}"
    )
    ;;
  *)
    echo "usage: ${0##*/} l3|l2" >&2
    exit 2
    ;;
esac
