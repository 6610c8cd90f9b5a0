// SPDX-License-Identifier: GPL-2.0-or-later
// One guest more beside many: over the socket with a disk that costs nothing, then the whole command line with the
// machine's own disk under the database.
#include <fcntl.h>
#include <unistd.h>

#include <filesystem>

#include "tests/bench/bench.h"
#include "tests/bench/command.h"
#include "tests/bench/stage.h"
#include "tests/lab/lib/paths.h"

namespace vrouter::bench {
namespace {

using lab::timed;

constexpr double kMaxAddMedian = 1, kMaxAddWorst = 5, kMaxProcess = 6;  // ms, DESIGN.md section 8

// One commit's worth of the disk, without a database.
double write_and_sync(const std::filesystem::path& directory) {
  const auto file = directory / "sync-probe";
  const UniqueFd fd{::open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600)};
  if (!fd) lab::throw_errno("open " + file.string());
  const std::string page(4096, 'v');
  std::vector<double> took;
  for (int i = 0; i < 20; ++i) {
    took.push_back(timed([&] {
      if (::write(fd.get(), page.data(), page.size()) < 0 || ::fdatasync(fd.get()) < 0) lab::throw_errno("fdatasync");
    }));
  }
  std::filesystem::remove(file);
  return lab::median(took);
}

void over_the_socket(Stage& stage, int adds, Report& report) {
  auto client = lab::connect_to(stage.host, *stage.daemon);
  const auto numbers = lab::spread(adds, stage.guests());
  std::vector<double> removed, added;
  for (const int number : numbers) {
    removed.push_back(timed([&] { static_cast<void>(lab::must(client.remove_guest(lab::tap_of(number)))); }));
  }
  // Flushes of the removed guests' connections go on beside the loop; an address waits for its own only.
  std::this_thread::sleep_for(500ms);
  for (const int number : numbers) {
    added.push_back(timed([&] { static_cast<void>(lab::must(client.add_guest(lab::guest_of(number)))); }));
  }
  const auto with = " with " + std::to_string(stage.guests()) + " guests";
  report.at_most("add-guest over the socket, no fsync," + with + ", median", lab::median(added), "ms", kMaxAddMedian);
  report.at_most("the same, 99 %", lab::percentile(added, 99), "ms", kMaxAddWorst);
  report.value("remove-guest over the socket, no fsync," + with + ", median", lab::median(removed), "ms");
  report.value("the same, 99 %", lab::percentile(removed, 99), "ms");
}

void by_the_command_line(Stage& stage, int processes, Report& report) {
  stage.use_disk();
  const auto socket = stage.host.path(stage.daemon->socket_path()).string();
  const auto program = lab::built_program("vrouter");
  const auto numbers = lab::spread(processes, stage.guests());
  auto client = lab::connect_to(stage.host, *stage.daemon);
  std::vector<double> added, empty;
  for (const int number : numbers) static_cast<void>(lab::must(client.remove_guest(lab::tap_of(number))));
  std::this_thread::sleep_for(500ms);
  for (const int number : numbers) {
    added.push_back(
        command_time({program, "--socket", socket, "add-guest", lab::tap_of(number), lab::address_of(number)}));
    empty.push_back(command_time({program, "--version"}));
  }
  const auto with = " with " + std::to_string(stage.guests()) + " guests";
  report.at_most("`vrouter add-guest`, the whole process, fsync'd," + with + ", median", lab::median(added), "ms",
                 kMaxProcess);
  report.value("the same, 99 %", lab::percentile(added, 99), "ms");
  report.value("of which the program itself: `vrouter --version`", lab::median(empty), "ms");
  report.value("of which this disk: 4 KiB and fdatasync", write_and_sync(stage.host.path(stage.daemon->state_dir())),
               "ms");
}

}  // namespace

void add_guest(const Sizes& sizes, Report& report) {
  Stage stage{sizes.crowd, 0};
  stage.populate();
  over_the_socket(stage, sizes.adds, report);
  by_the_command_line(stage, sizes.processes, report);
}

}  // namespace vrouter::bench
