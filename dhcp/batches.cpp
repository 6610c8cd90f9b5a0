// SPDX-License-Identifier: GPL-2.0-or-later
#include "dhcp/batches.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace vrouter::dhcp {
namespace {

in_pktinfo pktinfo_of(const cmsghdr& header) {
  in_pktinfo info{};
  std::memcpy(&info, CMSG_DATA(&header), sizeof info);
  return info;
}

}  // namespace

ReceiveBatch::ReceiveBatch() {
  for (std::size_t i = 0; i < kBatch; ++i) {
    vectors_[i] = {buffers_[i].data(), buffers_[i].size()};
    auto& header = messages_[i].msg_hdr;
    header.msg_name = &sources_[i];
    header.msg_iov = &vectors_[i];
    header.msg_iovlen = 1;
    header.msg_control = &controls_[i];
  }
}

std::size_t ReceiveBatch::receive(int fd) {
  for (std::size_t i = 0; i < kBatch; ++i) {
    messages_[i].msg_hdr.msg_namelen = sizeof(sockaddr_in);
    messages_[i].msg_hdr.msg_controllen = sizeof(PacketControl);
  }
  const int n = ::recvmmsg(fd, messages_.data(), kBatch, MSG_DONTWAIT, nullptr);
  return n < 0 ? 0 : static_cast<std::size_t>(n);
}

Datagram ReceiveBatch::at(std::size_t i) {
  auto& header = messages_[i].msg_hdr;
  Datagram datagram;
  for (auto* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
    if (c->cmsg_level != IPPROTO_IP || c->cmsg_type != IP_PKTINFO) continue;
    const auto info = pktinfo_of(*c);
    datagram.ifindex = static_cast<unsigned>(info.ipi_ifindex);
    datagram.local = address_v4{ntohl(info.ipi_spec_dst.s_addr)};  // of a unicast what it was sent to: ip(7)
  }
  datagram.source = address_v4{ntohl(sources_[i].sin_addr.s_addr)};
  datagram.source_port = ntohs(sources_[i].sin_port);
  // Only what this datagram holds: the rest of the buffer is some earlier one's.
  datagram.bytes = std::span{buffers_[i]}.first(std::min<std::size_t>(messages_[i].msg_len, kMaxRequest));
  datagram.truncated = (header.msg_flags & MSG_TRUNC) != 0;
  return datagram;
}

SendBatch::SendBatch() {
  for (std::size_t i = 0; i < kBatch; ++i) {
    targets_[i].sin_family = AF_INET;
    vectors_[i].iov_base = replies_[i].data();
    auto& header = messages_[i].msg_hdr;
    header.msg_name = &targets_[i];
    header.msg_namelen = sizeof(sockaddr_in);
    header.msg_iov = &vectors_[i];
    header.msg_iovlen = 1;
    header.msg_control = &controls_[i];
    header.msg_controllen = sizeof(PacketControl);
    auto& control = *CMSG_FIRSTHDR(&header);
    control.cmsg_level = IPPROTO_IP;
    control.cmsg_type = IP_PKTINFO;
    control.cmsg_len = CMSG_LEN(sizeof(in_pktinfo));
  }
}

void SendBatch::add(const Outgoing& reply) {
  in_pktinfo info{};
  info.ipi_ifindex = static_cast<int>(reply.ifindex);
  info.ipi_spec_dst.s_addr = htonl(reply.from.to_uint());
  std::memcpy(CMSG_DATA(CMSG_FIRSTHDR(&messages_[count_].msg_hdr)), &info, sizeof info);
  targets_[count_].sin_addr.s_addr = htonl(reply.to.to_uint());
  targets_[count_].sin_port = htons(reply.port);
  vectors_[count_].iov_len = reply.size;
  ++count_;
}

std::uint64_t SendBatch::flush(int fd) {
  std::uint64_t refused = 0;
  std::size_t done = 0;
  while (done < count_) {
    const int n = ::sendmmsg(fd, &messages_[done], static_cast<unsigned>(count_ - done), MSG_DONTWAIT);
    if (n > 0) {
      done += static_cast<std::size_t>(n);
    } else if (errno != EINTR) {
      ++refused;
      ++done;
    }
  }
  count_ = 0;
  return refused;
}

}  // namespace vrouter::dhcp
