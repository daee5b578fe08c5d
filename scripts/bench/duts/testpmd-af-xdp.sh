#!/bin/bash
# DPDK's testpmd over its af_xdp driver: as testpmd-af-packet.sh in all else. A frame goes to it before any packet socket and tc.
TESTPMD_DRIVER=net_af_xdp TESTPMD_OPTIONS=busy_budget=0 exec "${0%/*}/testpmd-af-packet.sh"
