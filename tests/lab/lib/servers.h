// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/unique_fd.h"
#include "tests/lab/lib/namespace.h"

namespace vrouter::lab {

// A thread that serves descriptors until it is told to stop.
class Service {
 public:
  Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;
  virtual ~Service() = default;

 protected:
  // Calls ready(fd) whenever one of `fds` is readable. finish() must be called by the derived destructor.
  void serve(std::vector<int> fds, std::function<void(int)> ready);
  void finish();

 private:
  UniqueFd stop_event_;
  std::thread thread_;
};

// Who asked, and for what.
struct Asked {
  std::string address;  // of the peer, as the server saw it: after NAT
  std::uint16_t port = 0;
  std::string what;          // HTTP: the path; DNS: "name TYPE"
  bool over_tcp = true;      // DNS
  std::uint16_t dns_id = 0;  // DNS
};

// HTTP/1.0: one page per path, 404 for others, one connection at a time.
class HttpServer : public Service {
 public:
  HttpServer(const Namespace& where, const std::string& address, std::uint16_t port,
             std::map<std::string, std::string> pages);
  ~HttpServer() override;
  [[nodiscard]] std::vector<Asked> requests() const;

 private:
  void answer(int listener);

  UniqueFd listener_;
  std::map<std::string, std::string> pages_;
  mutable std::mutex mutex_;
  std::vector<Asked> requests_;
};

enum class DnsMood : std::uint8_t {
  answers,
  silent,          // drops every query
  slow,            // answers after 700 ms, one query at a time
  refuses,         // rcode REFUSED
  server_failure,  // rcode SERVFAIL
  truncates,       // TC over UDP, the answer over TCP
  wrong_id,        // answers with another id over UDP
  wrong_question,  // answers another question over UDP
};

// An authoritative name server over UDP and TCP. Records: {"www.example A", "192.0.2.80"}; types A, AAAA, PTR, TXT,
// CNAME. Unknown names get NXDOMAIN with an SOA, known names without the type an empty answer.
class DnsServer : public Service {
 public:
  DnsServer(const Namespace& where, const std::string& address, std::multimap<std::string, std::string> records,
            std::uint16_t port = 53);
  ~DnsServer() override;
  void set_mood(DnsMood mood) { mood_ = mood; }
  [[nodiscard]] std::vector<Asked> queries() const;

 private:
  void answer_udp(int socket);
  void answer_tcp(int listener);
  // Wire format in and out; "" when there's nothing to say.
  [[nodiscard]] std::string reply(const std::string& query, Asked asked);

  std::multimap<std::string, std::string> records_;
  std::atomic<DnsMood> mood_ = DnsMood::answers;
  UniqueFd udp_;
  UniqueFd tcp_;
  mutable std::mutex mutex_;
  std::vector<Asked> queries_;
};

}  // namespace vrouter::lab
