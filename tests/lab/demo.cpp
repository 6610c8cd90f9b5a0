// SPDX-License-Identifier: GPL-2.0-or-later
// `./dev demo`: the product's main job, shown on a real guest. Two network namespaces, "host" and "world", an uplink
// between them; vrouterd runs in the host, a guest boots under QEMU on tap0, and what works is tried from its console.
// The world knows no route to the guest, so every page that arrives has been through NAT.
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <sstream>

#include "tests/lab/lib/daemon.h"
#include "tests/lab/lib/qemu.h"
#include "tests/lab/lib/servers.h"

namespace vrouter::lab {
namespace {

constexpr auto kHostAddress = "198.51.100.2";  // documentation prefixes, RFC 5737
constexpr auto kWorldAddress = "198.51.100.1";
constexpr auto kWebAddress = "203.0.113.80";
constexpr auto kNameServer = "203.0.113.53";
constexpr auto kWebName = "www.example";
constexpr auto kWorldPage = "Hello from the world.\n";
constexpr auto kGuestPage = "Hello from the guest.";

// Prints steps as they are done; the first that fails ends the demo.
class Stage {
 public:
  void step(const std::string& what, const std::function<std::string()>& work) {
    std::cout << paint("1", what) << std::endl;
    const auto begin = std::chrono::steady_clock::now();
    auto shown = work();
    shown.erase(shown.find_last_not_of('\n') + 1);
    const auto took = std::chrono::duration_cast<Milliseconds>(std::chrono::steady_clock::now() - begin);
    std::istringstream lines{shown};
    for (std::string line; std::getline(lines, line);) std::cout << "    " << line << '\n';
    std::cout << "  " << paint("32", "✔") << paint("2", " " + seconds(took)) << "\n" << std::endl;
  }

  [[nodiscard]] std::string paint(const std::string& code, const std::string& text) const {
    return colour_ ? "\033[" + code + "m" + text + "\033[0m" : text;
  }

  [[nodiscard]] static std::string seconds(Milliseconds time) {
    return std::to_string(time.count() / 1000) + "." + std::to_string(time.count() % 1000 / 100) + " s";
  }

 private:
  bool colour_ = ::isatty(STDOUT_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr;
};

void expect(bool holds, const std::string& wanted, const std::string& got) {
  if (!holds) throw LabError{"wanted " + wanted + ", but got:\n" + got};
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != text.npos;
}

class Demo {
 public:
  void run() {
    make_world();
    start_router();
    boot_guest();
    try_from_guest();
    try_from_world();
    show_state();
  }

  // What a failure is understood by.
  void print_logs() const {
    std::cerr << "\n--- vrouterd's log\n" << (daemon_ ? daemon_->log() : "");
    std::cerr << "--- the guest's console\n" << (guest_ ? guest_->console() : "") << "---\n";
  }

 private:
  void make_world() {
    stage_.step("Namespaces \"host\" and \"world\", with a cable between; the world serves DNS and HTTP", [this] {
      connect({host_, "uplink", std::string{kHostAddress} + "/24"},
              {world_, "host", std::string{kWorldAddress} + "/24"});
      host_.must(std::string{"ip route add default via "} + kWorldAddress);
      for (const auto* address : {kWebAddress, kNameServer}) {
        world_.must(std::string{"ip addr add "} + address + "/32 dev lo");
      }
      web_ =
          std::make_unique<HttpServer>(world_, kWebAddress, 80, std::map<std::string, std::string>{{"/", kWorldPage}});
      names_ = std::make_unique<DnsServer>(
          world_, kNameServer, std::multimap<std::string, std::string>{{std::string{kWebName} + " A", kWebAddress}});
      return host_.must("ip -brief -4 addr; ip route");
    });
  }

  void start_router() {
    stage_.step("vrouterd starts in the host, with no config file at all", [this] {
      DaemonOptions options;
      options.resolv_conf = std::string{"nameserver "} + kNameServer + "\n";
      options.print_log = false;
      daemon_ = std::make_unique<Daemon>(host_, options);
      daemon_->start();
      return daemon_->log();
    });
  }

  void boot_guest() {
    stage_.step("A real guest starts to boot on tap0 (QEMU, Debian's kernel, busybox); meanwhile it is added", [this] {
      guest_ = std::make_unique<QemuGuest>(host_);
      return vrouter({"add-guest", "tap0", "10.0.5.2"}) + vrouter({"publish", "tap0", "8080:80/tcp"});
    });
    stage_.step("The guest has booted and got its lease", [this] {
      guest_->wait_booted();
      const auto lease = guest_->retry("cat /run/lease 2> /dev/null");
      expect(contains(lease.out, "ip 10.0.5.2\n"), "a lease of 10.0.5.2",
             lease.out + guest_->run("cat /run/udhcpc.log").out);
      return guest("ip -4 addr show eth0 | grep inet") + guest("ip route") + guest("cat /etc/resolv.conf");
    });
  }

  void try_from_guest() {
    stage_.step("It pings its gateway", [this] { return guest("ping -c 3 -i 0.2 10.0.5.1"); });
    stage_.step("It resolves a name of the world's", [this] {
      auto shown = guest(std::string{"nslookup -type=a "} + kWebName);
      expect(contains(shown, kWebAddress), kWebAddress, shown);
      return shown;
    });
    stage_.step("It fetches a page from the world, through NAT", [this] {
      auto shown = guest(std::string{"wget -qO- http://"} + kWebName + "/");
      expect(contains(shown, kWorldPage), kWorldPage, shown);
      const auto requests = web_->requests();
      const auto seen_as = requests.empty() ? "nobody" : requests.back().address;
      expect(seen_as == kHostAddress, std::string{"the host's address "} + kHostAddress + " seen by the web server",
             seen_as);
      return shown + "(the world's web server saw " + seen_as + ")\n";
    });
  }

  void try_from_world() {
    stage_.step("The world fetches a page from the guest, through published port 8080", [this] {
      const auto served = std::string{"echo '"} + kGuestPage + "' > /var/www/index.html && httpd -h /var/www";
      auto shown = guest(served);
      const auto fetch = std::string{"curl -sS --max-time 20 http://"} + kHostAddress + ":8080/";
      const auto page = world_.must(fetch);
      expect(contains(page, kGuestPage), kGuestPage, page);
      return shown + "world# " + fetch + "\n" + page;
    });
  }

  void show_state() {
    stage_.step("vrouter guests", [this] {
      auto shown = vrouter({"guests"});
      expect(contains(shown, "10.0.5.2"), "the guest's line", shown);
      return shown;
    });
    stage_.step("vrouter status", [this] { return vrouter({"status"}); });
  }

  // A command line with what it printed, as on a terminal.
  std::string vrouter(const Arguments& arguments) {
    std::string line = "host# vrouter";
    for (const auto& argument : arguments) line += " " + argument;
    return line + "\n" + daemon_->vrouter(arguments);
  }

  std::string guest(const std::string& line) {
    const auto finished = guest_->run(line);
    expect(finished.ok(), "`" + line + "` to work in the guest", finished.to_string());
    return "guest# " + line + "\n" + finished.out;
  }

  Stage stage_;
  Namespace host_{"host"};
  Namespace world_{"world"};
  std::unique_ptr<HttpServer> web_;
  std::unique_ptr<DnsServer> names_;
  std::unique_ptr<Daemon> daemon_;
  std::unique_ptr<QemuGuest> guest_;
};

int run_demo() {
  const auto begin = std::chrono::steady_clock::now();
  const Stage stage;
  std::unique_ptr<Demo> demo;
  try {
    demo = std::make_unique<Demo>();
    demo->run();
  } catch (const std::exception& error) {
    std::cout << "  " << stage.paint("31", "✘ ") << error.what() << std::endl;
    if (demo) demo->print_logs();
    return 1;
  }
  demo.reset();
  const auto took = std::chrono::duration_cast<Milliseconds>(std::chrono::steady_clock::now() - begin);
  std::cout << stage.paint("1;32", "All of it worked") << ", in " << Stage::seconds(took)
            << ". The namespaces are gone; nothing is left on this machine.\n";
  return 0;
}

}  // namespace
}  // namespace vrouter::lab

int main() {
  return vrouter::lab::run_demo();
}
