// SPDX-License-Identifier: GPL-2.0-or-later
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

#include "router/kernel/sysctls.h"

namespace vrouter::router {
namespace {

class SysctlsTest : public testing::Test {
 protected:
  SysctlsTest() {
    std::string name = std::filesystem::temp_directory_path() / "vrouter-sysctls-XXXXXX";
    base_ = ::mkdtemp(name.data());
    std::filesystem::create_directories(base_ / "net/ipv4/conf/eth0.100");
    std::ofstream{base_ / key_} << "0\n";
    auto opened = open_sysctls(base_);
    if (opened) sysctls_ = std::move(*opened);
  }
  ~SysctlsTest() override { std::filesystem::remove_all(base_); }

  const std::string key_ = "net/ipv4/conf/eth0.100/forwarding";
  std::filesystem::path base_;
  std::unique_ptr<Sysctls> sysctls_;
};

TEST_F(SysctlsTest, ReadsWhatItWrote) {
  ASSERT_TRUE(sysctls_);
  EXPECT_EQ(sysctls_->read(key_).value(), "0");
  ASSERT_TRUE(sysctls_->write(key_, "1").has_value());
  EXPECT_EQ(sysctls_->read(key_).value(), "1");
}

TEST_F(SysctlsTest, SaysWhichSwitchIsMissing) {
  const auto value = sysctls_->read("net/ipv4/conf/eth1/forwarding");
  ASSERT_FALSE(value.has_value());
  EXPECT_EQ(value.error().code, ENOENT);
  EXPECT_EQ(value.error().what, "read sysctl net/ipv4/conf/eth1/forwarding");
  EXPECT_EQ(sysctls_->write("net/none", "1").error().code, ENOENT);  // and makes no file
}

TEST_F(SysctlsTest, StaysBelowItsBase) {
  std::ofstream{base_.parent_path() / (base_.filename().string() + ".secret")} << "x";
  const std::string outside = "../" + base_.filename().string() + ".secret";
  EXPECT_EQ(sysctls_->read(outside).error().code, EINVAL);
  EXPECT_EQ(sysctls_->read("net/../" + outside).error().code, EINVAL);
  EXPECT_EQ(sysctls_->write("/etc/hostname", "x").error().code, EINVAL);
  EXPECT_EQ(sysctls_->read("").error().code, EINVAL);
  std::filesystem::remove(base_.string() + ".secret");
}

TEST(Sysctls, NeedsItsBase) {
  EXPECT_EQ(open_sysctls("/nonexistent-vrouter").error().code, ENOENT);
}

}  // namespace
}  // namespace vrouter::router
