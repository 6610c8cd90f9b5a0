// SPDX-License-Identifier: GPL-2.0-or-later
// The DHCP clients of Debian, as they come: how each is brought to do what the matrix asks of it.
#pragma once

#include <array>
#include <ostream>

namespace vrouter::dhcp::testing {

// Shell lines that run in a Guest. "" under `not_...`: it does it; else why not, and the matrix holds it to that.
struct ClientProgram {
  const char* name;
  const char* prepare;   // once, before the first start
  const char* be_quick;  // asks again within seconds: at T2 there are three left of a short lease
  const char* start;     // it goes to the background at last; its process is in /tmp/pid
  const char* release;
  const char* lose_power;  // after SIGKILL: what else a power cut takes; its lease file is left
  const char* resolver;    // shows the resolver and the domain that it was told
  const char* not_rebooting;
  const char* not_over_an_off_subnet_gateway;  // with a /24

  friend std::ostream& operator<<(std::ostream& out, const ClientProgram& client) { return out << client.name; }
};

inline constexpr ClientProgram kDhclient{
    .name = "Dhclient",
    .prepare = "true",
    .be_quick = "echo 'initial-interval 1; backoff-cutoff 1;' >>/etc/dhcp/dhclient.conf",
    .start = "dhclient -1 -q -lf /tmp/leases -pf /tmp/pid eth0",
    .release = "dhclient -r -q -lf /tmp/leases -pf /tmp/pid eth0",
    .lose_power = "true",
    .resolver = "cat /etc/resolv.conf",
    .not_rebooting = "",
    .not_over_an_off_subnet_gateway = "",
};

inline constexpr ClientProgram kUdhcpc{
    .name = "Udhcpc",
    .prepare = "true",
    .be_quick = "true",
    .start = "busybox udhcpc -b -R -t 5 -T 1 -p /tmp/pid -i eth0 -s /etc/udhcpc/default.script",
    .release = "kill -USR2 $(cat /tmp/pid)",
    .lose_power = "true",
    .resolver = "cat /etc/resolv.conf",
    .not_rebooting = "it keeps no lease, and begins anew",
    .not_over_an_off_subnet_gateway = "it asks for no option 121, and routes to nothing outside of its subnet",
};

// Without the ARP probe that precedes a lease for 5 s. Its IPv4LL stays off: a fallback address would hide a failure.
// The signal of `-k` is lost now and then soon after a renewal (9.4.1), and it gives up waiting for itself after 10 s.
inline constexpr ClientProgram kDhcpcd{
    .name = "Dhcpcd",
    .prepare = "true",
    .be_quick = "true",
    .start = "dhcpcd -4 -q --noarp -L -t 15 eth0 && pidof dhcpcd >/tmp/pid",
    .release = "dhcpcd -4 -k eth0 || dhcpcd -4 -k eth0",
    .lose_power = "true",
    .resolver = "cat /etc/resolv.conf",
    .not_rebooting = "",
    .not_over_an_off_subnet_gateway = "",
};

// Read-only /sys: it takes that for a container's, where no udev is waited for. It tells systemd-resolved of its
// resolver by the lease file.
inline constexpr ClientProgram kNetworkd{
    .name = "Networkd",
    .prepare =
        "{ mount -t sysfs -o ro none /sys || mount -o remount,bind,ro /sys; } && mkdir -p /run/systemd/network && "
        "printf '%s\\n' [Match] Name=eth0 [Network] DHCP=ipv4 LinkLocalAddressing=no IPv6AcceptRA=no [DHCPv4] "
        "UseDomains=yes UseMTU=yes >/run/systemd/network/10-eth0.network && "
        "{ test -s /etc/machine-id || tr -d - </proc/sys/kernel/random/uuid >/etc/machine-id; }",
    .be_quick = "true",
    .start = "{ setsid /lib/systemd/systemd-networkd & } && echo $! >/tmp/pid",
    .release = "kill $(cat /tmp/pid)",
    .lose_power = "rm -rf /run/systemd/netif",
    .resolver = "cat /run/systemd/netif/leases/*",
    .not_rebooting = "its lease is in /run, which a power cut empties; 252 begins anew even where it is left",
    .not_over_an_off_subnet_gateway = "",
};

inline constexpr std::array kClients{kDhclient, kUdhcpc, kDhcpcd, kNetworkd};

}  // namespace vrouter::dhcp::testing
