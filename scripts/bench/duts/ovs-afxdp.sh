#!/bin/bash
# Open vSwitch, its user-space datapath over AF_XDP ports, as a device under test of `nearhop bench wire`. For l3 one flow a host route
# takes one off the TTL and sets both MACs; for l2 it is a learning switch. Its core polls without pause.
. "${0%/*}/common.sh"
need ovs-vswitchd openvswitch-switch
need ovs-ofctl openvswitch-switch

dir=${BENCH_DIR:?}/ovs
mkdir -p "$dir"
export OVS_RUNDIR=$dir OVS_LOGDIR=$dir OVS_DBDIR=$dir
ulimit -l unlimited 2>/dev/null || true # of AF_XDP; who may lock memory anyway needs no limit

ovsdb-tool create "$dir/conf.db" /usr/share/openvswitch/vswitch.ovsschema
ovsdb-server "$dir/conf.db" --remote="punix:$dir/db.sock" --pidfile -vconsole:off --log-file="$dir/ovsdb.log" &
until [ -S "$dir/db.sock" ]; do sleep 0.1; done
vsctl() { ovs-vsctl --db="unix:$dir/db.sock" "$@"; }
vsctl --no-wait init
vsctl --no-wait set Open_vSwitch . other_config:pmd-cpu-mask=0x2 # CPU 1
ovs-vswitchd "unix:$dir/db.sock" --pidfile -vconsole:off --log-file="$dir/vswitchd.log" &
vswitchd=$!

vsctl add-br br0 -- set bridge br0 datapath_type=netdev fail-mode=secure other-config:mac-table-size=4096 \
  -- add-port br0 d0 -- set interface d0 ofport_request=1 type=afxdp options:n_rxq=1 \
  -- add-port br0 d1 -- set interface d1 ofport_request=2 type=afxdp options:n_rxq=1
ip link set d0 promisc on
ip link set d1 promisc on

to_sink="actions=dec_ttl,mod_dl_src:$D1,mod_dl_dst:$S0,output:2"
if [ "$MODE" = l3 ]; then
  {
    echo "priority=10,ip,nw_dst=10.1.0.0/24,actions=dec_ttl,mod_dl_src:$D0,mod_dl_dst:$G0,output:1"
    echo "priority=10,ip,nw_dst=10.2.0.0/24,$to_sink"
    each_route "priority=100,ip,nw_dst=%s/32,$to_sink"
    [ "${BENCH_DEFAULT_ROUTE:-0}" = 0 ] || echo "priority=1,ip,$to_sink"
  } >"$dir/flows"
  ovs-ofctl add-flows "unix:$dir/br0.mgmt" "$dir/flows"
else
  ovs-ofctl add-flow "unix:$dir/br0.mgmt" actions=NORMAL
fi
wait "$vswitchd"
