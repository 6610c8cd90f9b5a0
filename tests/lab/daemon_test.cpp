// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/lab/lib/daemon.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

namespace vrouter::lab {
namespace {

using ::testing::HasSubstr;

// Behaves as the service managers' protocol asks (sd_notify(3)) and shows how it was called.
constexpr auto kReadyProgram = R"(#!/usr/bin/env python3
import os, signal, socket, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
print(*sys.argv[1:], flush=True)
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notify.sendto(b"STATUS=starting", os.environ["NOTIFY_SOCKET"])
notify.sendto(b"STATUS=two guests\nREADY=1", os.environ["NOTIFY_SOCKET"])
signal.sigwait([signal.SIGTERM])
print("stopped", flush=True)
sys.exit(4)
)";

class DaemonTest : public ::testing::Test {
 protected:
  // A program of the namespace's own.
  [[nodiscard]] DaemonOptions options(const std::string& program) const {
    host_.write_file("/run/program", program);
    std::filesystem::permissions(host_.path("/run/program"), std::filesystem::perms::owner_all);
    DaemonOptions options;
    options.program = "/run/program";
    options.print_log = false;
    return options;
  }

  Namespace host_{"host"};
};

TEST_F(DaemonTest, StartsWhenItIsReadyWithDirectoriesOfItsOwn) {
  auto chosen = options(kReadyProgram);
  chosen.config = "[host]\n";
  chosen.policies = {{"web.toml", "[groups.web]\n"}};
  chosen.resolv_conf = "nameserver 192.0.2.53\n";
  chosen.more = {"--last"};
  Daemon daemon{host_, chosen};
  daemon.start();
  EXPECT_TRUE(daemon.running());
  EXPECT_EQ(daemon.log(),
            "--config /run/lab/etc/vrouter.toml --policy-dir /run/lab/etc/policy.d --state-dir /run/lab/state "
            "--runtime-dir /run/lab/run --resolv-conf /run/lab/etc/resolv.conf --last\n");
  EXPECT_EQ(host_.must("cat " + daemon.config_path()), "[host]\n");
  EXPECT_EQ(host_.must("cat " + daemon.policy_dir() + "/web.toml"), "[groups.web]\n");
  EXPECT_EQ(host_.must("cat " + daemon.resolv_conf_path()), "nameserver 192.0.2.53\n");

  EXPECT_EQ(daemon.stop(), 4);
  EXPECT_FALSE(daemon.running());
  EXPECT_THAT(daemon.log(), HasSubstr("stopped"));
}

TEST_F(DaemonTest, KeepsItsLogOverARestartAndDiesWhenKilled) {
  Daemon daemon{host_, options(kReadyProgram)};
  daemon.start();
  const auto first = daemon.pid();
  daemon.restart();
  EXPECT_NE(daemon.pid(), first);
  daemon.kill9();
  EXPECT_FALSE(daemon.running());
  daemon.start();
  const auto log = daemon.log();
  EXPECT_THAT(log, HasSubstr("stopped"));
  EXPECT_NE(log.find("--config", log.find("stopped")), log.npos);
}

TEST_F(DaemonTest, SaysWhyItDidNotStart) {
  Daemon dying{host_, options("#!/bin/sh\necho no such uplink\nexit 1\n")};
  try {
    dying.start();
    FAIL() << "started";
  } catch (const LabError& error) {
    EXPECT_THAT(error.what(), HasSubstr("status 1"));
    EXPECT_THAT(error.what(), HasSubstr("no such uplink"));
  }
  Daemon silent{host_, options("#!/bin/sh\nexec sleep 60\n")};
  EXPECT_THROW(silent.start(100ms), LabError);
  EXPECT_FALSE(silent.running());
}

}  // namespace
}  // namespace vrouter::lab
