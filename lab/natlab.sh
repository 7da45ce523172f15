#!/usr/bin/env bash
# Two hosts behind a NAT each, and a public segment between them, as network namespaces:
#
#   hostA 10.0.1.2 -- natA 198.51.100.2 --[bridge in pub]-- natB 198.51.100.3 -- hostB 10.0.2.2
#
# pub (lobby server, STUN and TURN) is 198.51.100.10. Nothing is attached to the machine's own network.
#
#   natlab.sh up NAT_A NAT_B    brings it up; NAT: none|fullcone|addr|port|symmetric|udpblock|tls443
#   natlab.sh down              takes it down, and ends what runs in it
#   natlab.sh exec NODE CMD..   runs a command in pub, natA, natB, hostA or hostB
#   natlab.sh remap NAT         the NAT forgets its UDP mappings, as one that was restarted
#   natlab.sh pull|plug HOST    the cable between hostA or hostB and its NAT
#   natlab.sh move HOST ADDR    the host has another address of its network from now on
#
# NATLAB_ID is the beginning of the names of the namespaces: several may stand beside each other.
set -euo pipefail
ID=${NATLAB_ID:-webstar}

ns() { echo "$ID-$1"; }
x() {
    local node
    node=$(ns "$1")
    shift
    ip netns exec "$node" "$@"
}

down() {
    local node
    for node in pub natA natB hostA hostB; do
        if ip netns list | grep -qw -- "$(ns "$node")"; then
            ip netns pids "$(ns "$node")" | xargs -r kill 2>/dev/null || true
            ip netns del "$(ns "$node")"
        fi
    done
}

# rules NODE MODE INNER_HOST. Mapping and filtering by the words of RFC 4787.
rules() {
    local node=$1 mode=$2 host=$3 pre="" post="oifname wan masquerade" forward="" stranger=""
    stranger="iifname wan ct state new ct status & dnat != dnat drop"
    case $mode in
    # Routed, no NAT.
    none) post="" stranger="" ;;
    # Endpoint-independent mapping, address and port-dependent filtering.
    port) ;;
    # Address and port-dependent mapping and filtering.
    symmetric) post="oifname wan masquerade fully-random" ;;
    # Endpoint-independent mapping and filtering, for one host.
    fullcone) pre="iifname wan meta l4proto udp dnat to $host" ;;
    # Endpoint-independent mapping, address-dependent filtering.
    addr)
        pre="iifname wan meta l4proto udp ip saddr @peers dnat to $host"
        forward="iifname lan meta l4proto udp update @peers { ip daddr timeout 60s }"
        ;;
    udpblock) forward="meta l4proto udp drop" ;;
    tls443)
        forward="iifname lan meta l4proto udp drop
                 iifname lan tcp dport != { 80, 443 } drop"
        ;;
    *)
        echo "natlab: no such NAT: $mode" >&2
        exit 2
        ;;
    esac
    # An unsolicited datagram from outside must not make an entry: the later one from inside would find its place taken,
    # get another port, and punching would fail.
    x "$node" nft -f - <<RULES
table ip t {
  set peers { type ipv4_addr; flags timeout; }
  chain input { type filter hook input priority 0; policy accept; iifname wan meta l4proto udp drop; }
  chain forward { type filter hook forward priority 0; policy accept;
    $forward
    $stranger
  }
  chain pre { type nat hook prerouting priority -100;
    $pre
  }
  chain post { type nat hook postrouting priority 100;
    $post
  }
}
RULES
}

up() {
    local node side number=0
    down
    for node in pub natA natB hostA hostB; do
        ip netns add "$(ns "$node")"
        x "$node" ip link set lo up
        x "$node" sysctl -qw net.ipv6.conf.all.disable_ipv6=1
    done
    x pub ip link add br0 type bridge stp_state 0 forward_delay 0
    x pub ip addr add 198.51.100.10/24 dev br0
    x pub ip link set br0 up
    for side in A B; do
        number=$((number + 1))
        ip -n "$(ns "nat$side")" link add wan type veth peer name "p$side" netns "$(ns pub)"
        ip -n "$(ns "nat$side")" link add lan type veth peer name eth0 netns "$(ns "host$side")"
        x pub ip link set "p$side" master br0 up
        x "nat$side" ip addr add "198.51.100.$((number + 1))/24" dev wan
        x "nat$side" ip addr add "10.0.$number.1/24" dev lan
        x "nat$side" ip link set wan up
        x "nat$side" ip link set lan up
        x "nat$side" sysctl -qw net.ipv4.ip_forward=1
        x "host$side" ip addr add "10.0.$number.2/24" dev eth0
        x "host$side" ip link set eth0 up
        x "host$side" ip route add default via "10.0.$number.1"
    done
    # What is routed without NAT needs its way back.
    for node in pub natA natB; do
        x "$node" ip route add 10.0.1.0/24 via 198.51.100.2 2>/dev/null || true
        x "$node" ip route add 10.0.2.0/24 via 198.51.100.3 2>/dev/null || true
    done
    rules natA "$1" 10.0.1.2
    rules natB "$2" 10.0.2.2
}

case ${1:-} in
up) up "$2" "$3" ;;
down) down ;;
exec)
    node=$(ns "$2")
    shift 2
    exec ip netns exec "$node" "$@"
    ;;
# It fails where there was nothing to forget.
remap) x "$2" conntrack -D -p udp >/dev/null 2>&1 || true ;;
# The far end goes down: the host sees that its cable is dead, and keeps its address and its routes.
pull) x "nat${2#host}" ip link set lan down ;;
plug) x "nat${2#host}" ip link set lan up ;;
move)
    gateway=${3%.*}.1
    x "$2" ip addr flush dev eth0
    x "$2" ip addr add "$3/24" dev eth0
    x "$2" ip route add default via "$gateway"
    ;;
*)
    sed -n '2,15s/^# \{0,1\}//p' "$0"
    exit 2
    ;;
esac
