// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/lab/lib/tap.h"

#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <vector>

namespace vrouter::lab {
namespace {

// A 64 KiB segment that the kernel left for the "hardware" to cut, its Ethernet header and the virtio header.
constexpr std::size_t kFrameRoom = 65536 + 256;
// struct virtio_net_hdr of linux/virtio_net.h, which isn't C++. All zeroes: no offload.
constexpr std::size_t kVirtioHeader = 10;
constexpr int kFramesPerTurn = 64;  // one busy side must not starve the other

// `guest_side`'s network header says what offloads its frame wants; both TAPs understand it, so it goes along as it is.
void move_frames(int from, int to, std::span<std::uint8_t> buffer) {
  for (int i = 0; i < kFramesPerTurn; ++i) {
    const auto n = ::read(from, buffer.data(), buffer.size());
    if (n <= 0) return;
    // An interface that is down refuses the frame (EIO), as a guest's card without carrier would lose it.
    [[maybe_unused]] const auto written = ::write(to, buffer.data(), static_cast<std::size_t>(n));
  }
}

void write_frame(int fd, std::span<const std::uint8_t> frame, const std::string& tap) {
  std::array<std::uint8_t, kVirtioHeader> header{};  // what was built is what goes out
  const std::array<iovec, 2> parts{iovec{header.data(), header.size()},
                                   iovec{const_cast<std::uint8_t*>(frame.data()), frame.size()}};
  if (::writev(fd, parts.data(), static_cast<int>(parts.size())) < 0) throw_errno("send on " + tap);
}

}  // namespace

UniqueFd open_tap_here(const std::string& name) {
  // The device belongs to the network namespace of whoever opens /dev/net/tun.
  UniqueFd fd{::open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK)};
  if (!fd) throw_errno("open /dev/net/tun");
  ifreq request{};
  request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
  if (name.size() >= sizeof request.ifr_name) throw LabError{"TAP name too long: " + name};
  std::memcpy(request.ifr_name, name.data(), name.size());
  if (::ioctl(fd.get(), TUNSETIFF, &request) < 0) throw_errno("TUNSETIFF " + name);
  if (::ioctl(fd.get(), TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN) < 0) {
    throw_errno("TUNSETOFFLOAD " + name);
  }
  return fd;
}

UniqueFd open_tap(const Namespace& where, const std::string& name) {
  UniqueFd fd;
  where.enter([&] { fd = open_tap_here(name); });
  return fd;
}

void RawTap::send(std::span<const std::uint8_t> frame) const {
  write_frame(fd_.get(), frame, name_);
}

std::optional<Seen> RawTap::receive(Milliseconds limit, const std::function<bool(const Seen&)>& wanted) const {
  const auto end = std::chrono::steady_clock::now() + limit;
  std::vector<std::uint8_t> buffer(kFrameRoom);
  for (;;) {
    const auto left = std::chrono::duration_cast<Milliseconds>(end - std::chrono::steady_clock::now());
    pollfd readable{.fd = fd_.get(), .events = POLLIN, .revents = 0};
    if (::poll(&readable, 1, static_cast<int>(std::max(left, 0ms).count())) == 0) return std::nullopt;
    const auto n = ::read(fd_.get(), buffer.data(), buffer.size());
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (n < 0) throw_errno("receive on " + name_);
    if (static_cast<std::size_t>(n) < kVirtioHeader) continue;
    auto seen = dissect(std::span{buffer}.first(static_cast<std::size_t>(n)).subspan(kVirtioHeader));
    if (seen && (!wanted || wanted(*seen))) return seen;
  }
}

TapGuest::TapGuest(const Namespace& host, std::string tap, MacAddress mac)
    : host_{host}, tap_{std::move(tap)}, mac_{mac}, inside_{"guest-" + tap_} {
  guest_side_ = open_tap(inside_, "eth0");
  inside_.must("ip link set eth0 address " + mac_.to_string() + " up");
  stop_event_.reset(::eventfd(0, EFD_CLOEXEC));
  if (!stop_event_) throw_errno("eventfd");
  plug();
}

TapGuest::~TapGuest() {
  close_host_side();
}

void TapGuest::plug() {
  if (pump_.joinable()) return;
  host_side_ = open_tap(host_, tap_);
  set_carrier(true);
  inside_.must("ip neighbour flush dev eth0");
  pump_ = std::thread{[this] { pump(); }};
}

void TapGuest::unplug() {
  if (close_host_side()) set_carrier(false);
}

bool TapGuest::close_host_side() {
  std::uint64_t one = 1;
  if (!pump_.joinable() || ::write(stop_event_.get(), &one, sizeof one) != sizeof one) return false;
  pump_.join();
  const bool drained = ::read(stop_event_.get(), &one, sizeof one) == sizeof one;
  const std::lock_guard lock{host_side_mutex_};
  host_side_.reset();
  return drained;
}

void TapGuest::set_carrier(bool on) const {
  unsigned int value = on ? 1 : 0;
  if (::ioctl(guest_side_.get(), TUNSETCARRIER, &value) < 0) throw_errno("TUNSETCARRIER");
}

void TapGuest::pump() {
  std::vector<std::uint8_t> buffer(kFrameRoom);
  for (;;) {
    std::array<pollfd, 3> waiting{pollfd{host_side_.get(), POLLIN, 0}, pollfd{guest_side_.get(), POLLIN, 0},
                                  pollfd{stop_event_.get(), POLLIN, 0}};
    if (::poll(waiting.data(), waiting.size(), -1) < 0) continue;
    if (waiting[2].revents != 0) return;
    // POLLERR without POLLIN: the device was deleted under us, as `ip link del` does.
    if ((waiting[0].revents & (POLLERR | POLLHUP)) != 0 && (waiting[0].revents & POLLIN) == 0) return;
    if ((waiting[0].revents & POLLIN) != 0) move_frames(host_side_.get(), guest_side_.get(), buffer);
    if ((waiting[1].revents & POLLIN) != 0) move_frames(guest_side_.get(), host_side_.get(), buffer);
  }
}

void TapGuest::inject(std::span<const std::uint8_t> frame) {
  const std::lock_guard lock{host_side_mutex_};
  if (!host_side_) throw LabError{tap_ + " is unplugged"};
  write_frame(host_side_.get(), frame, tap_);
}

void TapGuest::set_static(const std::string& address, const std::string& gateway, const std::string& resolver) {
  inside_.must("ip addr replace " + address + " dev eth0");
  inside_.must("ip route replace default via " + gateway + " dev eth0 onlink");
  if (!resolver.empty()) inside_.write_file("/etc/resolv.conf", "nameserver " + resolver + "\n");
}

}  // namespace vrouter::lab
