// SPDX-License-Identifier: GPL-2.0-or-later
// A packed list in memory that processes share: whoever may read files packs it there once, and it can't be changed any
// more; whoever answers questions is handed the descriptor and maps it. No copy is made.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <span>
#include <string>

#include "base/unique_fd.h"
#include "dns/lists.h"

namespace vrouter::dns {

class SharedList {
 public:
  // Packs what was read. An error in words: no memory, no descriptor, or what ListReader::pack() says.
  [[nodiscard]] static std::expected<std::shared_ptr<SharedList>, std::string> make(const ListReader& read);
  // Somebody else's, as handed over.
  [[nodiscard]] static std::expected<std::shared_ptr<SharedList>, std::string> take(UniqueFd held, std::uint64_t size);
  ~SharedList();
  SharedList(const SharedList&) = delete;
  SharedList& operator=(const SharedList&) = delete;

  // Mapped when it is first asked for; good as long as this is.
  [[nodiscard]] std::expected<DomainList, std::string> list();
  [[nodiscard]] int held() const noexcept { return held_.get(); }
  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }  // bytes

 private:
  SharedList(UniqueFd held, std::uint64_t size) : held_{std::move(held)}, size_{size} {}

  UniqueFd held_;
  std::uint64_t size_ = 0;
  void* mapped_ = nullptr;
};

}  // namespace vrouter::dns
