// SPDX-License-Identifier: GPL-2.0-or-later
#include "dns/shared_list.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "dns/random.h"

namespace vrouter::dns {

namespace {

std::unexpected<std::string> failed(std::string_view what) {
  return std::unexpected(std::string{what} + ": " + ::strerrordesc_np(errno));
}

std::uint64_t random_seed() {
  std::array<std::uint8_t, sizeof(std::uint64_t)> bytes{};
  fill_random(bytes);
  std::uint64_t seed = 0;
  std::memcpy(&seed, bytes.data(), bytes.size());
  return seed;
}

}  // namespace

std::expected<std::shared_ptr<SharedList>, std::string> SharedList::make(const ListReader& read) {
  const auto size = read.packed_size();
  UniqueFd held{::memfd_create("list", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
  if (!held) return failed("there is no descriptor for it");
  // Allocated at once: a host short of memory says so here, rather than by a signal.
  if (const int error = ::posix_fallocate(held.get(), 0, static_cast<off_t>(size)); error != 0) {
    errno = error;
    return failed("there is no memory for it");
  }
  void* mapped = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, held.get(), 0);
  if (mapped == MAP_FAILED) return failed("there is no memory for it");
  const auto packed = read.pack_into({static_cast<std::uint8_t*>(mapped), size}, random_seed());
  ::munmap(mapped, size);
  if (!packed) return std::unexpected(packed.error());
  constexpr int kForever = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
  if (::fcntl(held.get(), F_ADD_SEALS, kForever) != 0) return failed("it can't be sealed");
  return std::shared_ptr<SharedList>{new SharedList{std::move(held), size}};
}

std::expected<std::shared_ptr<SharedList>, std::string> SharedList::take(UniqueFd held, std::uint64_t size) {
  if (!held) {
    return std::unexpected("a list came without its descriptor: the daemon has none to spare; raise LimitNOFILE=");
  }
  std::shared_ptr<SharedList> list{new SharedList{std::move(held), size}};
  if (auto opened = list->list(); !opened) return std::unexpected("a list can't be used: " + opened.error());
  list->held_.reset();
  return list;
}

SharedList::~SharedList() {
  if (mapped_ != nullptr) ::munmap(mapped_, size_);
}

std::expected<DomainList, std::string> SharedList::list() {
  if (mapped_ == nullptr) {
    void* mapped = size_ == 0 ? MAP_FAILED : ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, held_.get(), 0);
    if (mapped == MAP_FAILED) return failed("it can't be mapped");
    mapped_ = mapped;
  }
  return DomainList::open({static_cast<const std::uint8_t*>(mapped_), size_});
}

}  // namespace vrouter::dns
