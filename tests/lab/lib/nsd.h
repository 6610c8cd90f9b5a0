// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>
#include <string_view>

#include "tests/lab/lib/namespace.h"

namespace vrouter::lab {

// Where `./dev deps` unpacked a program of Debian's whose package would start a service ("nsd/usr/sbin/nsd"), or where
// the machine has one of its own (/usr/sbin/nsd). "" when there is neither.
[[nodiscard]] std::string unpacked_program(const std::string& path);

// NLnet Labs' authoritative name server, in the foreground, on port 53 of every IPv4 address of a namespace that has
// one zone only: DnsServer says what a test wants said, this one what the RFCs say, and fast.
class Nsd {
 public:
  // Returns once it listens; throws LabError with what it said when it doesn't. `wrapper` is put before the program.
  Nsd(const Namespace& where, std::string_view origin, std::string_view zone, const Arguments& wrapper = {});

  [[nodiscard]] static bool here() { return !unpacked_program("nsd/usr/sbin/nsd").empty(); }
  [[nodiscard]] std::string log() const { return process_.output(); }

 private:
  Process process_;
};

}  // namespace vrouter::lab
