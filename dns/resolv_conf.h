// SPDX-License-Identifier: GPL-2.0-or-later
// The host's own DNS servers: resolv.conf(5), read forgivingly and followed through every way of replacing it.
#pragma once

#include <boost/asio/io_context.hpp>
#include <expected>
#include <filesystem>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "base/kernel_error.h"
#include "config/networks.h"

namespace vrouter::dns {

// Every `nameserver` line that holds an address, in order and without repeats; not only the three that libc reads.
// All else is passed over: unknown options must not silence a router. A server with a scope (fe80::1%eth0) is kept when
// the scope is a number or an interface of this host, else skipped.
[[nodiscard]] std::vector<address> parse_resolv_conf(std::string_view text);

// The servers to forward to. Loopback servers in `text` are the host's own stub (systemd-resolved's 127.0.0.53): the
// list behind it (`resolved_text`, /run/systemd/resolve/resolv.conf, empty when there is none) takes its place. Without
// such a list the loopback servers stay: a real resolver may run there.
[[nodiscard]] std::vector<address> choose_upstreams(std::string_view text, std::string_view resolved_text);

// Calls back whenever the servers change; a rename over the file, a symbolic link put elsewhere and a directory that
// appears later are all seen, because the directories are watched (inotify(7)), those of each link's target too.
class ResolvConfWatcher {
 public:
  struct Paths {
    std::filesystem::path resolv_conf = "/etc/resolv.conf";
    std::filesystem::path resolved = "/run/systemd/resolve/resolv.conf";
  };
  using Changed = std::function<void(const std::vector<address>&)>;

  // Reads at once (servers()); `changed` is called from the io_context, never from within open().
  [[nodiscard]] static std::expected<std::unique_ptr<ResolvConfWatcher>, KernelError> open(boost::asio::io_context& io,
                                                                                           Paths paths,
                                                                                           Changed changed);
  virtual ~ResolvConfWatcher() = default;
  [[nodiscard]] virtual const std::vector<address>& servers() const = 0;  // empty when no file names any
};

}  // namespace vrouter::dns
