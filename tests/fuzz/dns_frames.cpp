// SPDX-License-Identifier: GPL-2.0-or-later
// Messages over TCP: wherever the stream is cut, both readers find in it what stands there, and hold no more of it than
// they say. The input is the stream's cuts, a zero, and the stream.
#include <algorithm>

#include "dns/frames.h"

namespace {

using namespace vrouter::dns;
using Messages = std::vector<Bytes>;

void require(bool holds) {
  if (!holds) __builtin_trap();
}

// As RFC 1035 4.2.2 has it, all at once.
Messages split(std::span<const std::uint8_t> stream) {
  Messages all;
  while (stream.size() >= 2) {
    const std::size_t length = stream[0] * 256U + stream[1];
    if (stream.size() - 2 < length) break;
    all.emplace_back(stream.begin() + 2, stream.begin() + 2 + static_cast<std::ptrdiff_t>(length));
    stream = stream.subspan(2 + length);
  }
  return all;
}

// A wire that gives at most so many bytes at a time.
class Wire {
 public:
  Wire(std::span<const std::uint8_t> stream, std::span<const std::uint8_t> cuts) : rest_{stream}, cuts_{cuts} {}
  [[nodiscard]] bool empty() const { return rest_.empty(); }
  std::size_t read(std::span<std::uint8_t> into) {
    auto most = rest_.size();
    if (!cuts_.empty()) most = cuts_[turn_++ % cuts_.size()];
    const auto size = std::min({most, rest_.size(), into.size()});
    std::ranges::copy(rest_.first(size), into.begin());
    rest_ = rest_.subspan(size);
    return size;
  }

 private:
  std::span<const std::uint8_t> rest_, cuts_;
  std::size_t turn_ = 0;
};

// The listeners' one: it must not have taken a byte of the next message when one is whole.
Messages one_by_one(Wire wire) {
  Messages all;
  FrameReader reader;
  for (;;) {
    while (!reader.whole()) {
      if (wire.empty()) return all;
      require(!reader.room().empty() && reader.room().size() <= kMaxMessage);
      reader.received(wire.read(reader.room()));
    }
    require(reader.room().empty());
    all.emplace_back(reader.message().begin(), reader.message().end());
    reader.restart();
    require(reader.room().size() == kFramePrefix);
  }
}

Messages many_at_once(Wire wire) {
  Messages all;
  FrameBuffer buffer;
  while (!wire.empty()) {
    const auto room = buffer.room();
    require(!room.empty() && room.size() <= kFramePrefix + kMaxMessage);
    buffer.received(wire.read(room));
    while (const auto message = buffer.next()) all.emplace_back(message->begin(), message->end());
  }
  return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span input{data, size};
  const auto end = static_cast<std::size_t>(std::ranges::find(input, 0) - input.begin());
  if (end == size) return 0;
  const auto cuts = input.first(end), stream = input.subspan(end + 1);
  const auto messages = split(stream);
  require(one_by_one({stream, cuts}) == messages && one_by_one({stream, {}}) == messages);
  require(many_at_once({stream, cuts}) == messages && many_at_once({stream, {}}) == messages);
  return 0;
}
