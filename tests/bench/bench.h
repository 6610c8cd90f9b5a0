// SPDX-License-Identifier: GPL-2.0-or-later
// What `./dev bench` measures: a function for each word that it takes. Everything happens in namespaces of its own.
#pragma once

#include <vector>

#include "tests/bench/report.h"
#include "tests/bench/tenants.h"
#include "tests/lab/lib/error.h"

namespace vrouter::bench {

using namespace std::chrono_literals;
using lab::Milliseconds;

struct Sizes {
  int crowd = 10000;    // guests, where there are many
  int few = 10;         // and where there are few
  int adds = 1000;      // samples of each kind
  int processes = 100;  // of the command line
  int starts = 5;       // cold starts, restarts of each kind
  int repairs = 25;     // of each kind
  int linear = 1000;    // guests with rules of their own in the iptables contestant
  int rounds = 15;      // of throughput, each contestant once in each
  Milliseconds round = 400ms;
  Tenants tenants{.guests = 10000, .groups = 200, .rules = 2000};
  int reloads = 15;                           // of one rule's change
  Milliseconds rest = 500ms;                  // between two of them: the walks over the connections go on for a while
  int flows = 20000;                          // new connections of a round
  std::vector<int> storms{100, 1000, 10000};  // guests that boot at the same time
  Milliseconds settled = 3s;                  // after a start: what it took is given back by then
  struct {
    int clients = 10000;
    int rounds = 5;
    int seconds = 3;            // of a trial
    int lowest = 50;            // exchanges a second: where the search for a server's best rate begins
    int highest = 51200;        // and where it ends
    int common = 2000;          // a rate at which their CPU is compared
    bool must_be_there = true;  // perfdhcp and the peers: it is an error if one is missing
  } dhcp{};
  struct {
    int names = 200000;  // of the upstream's zone
    int asked = 10000;   // of them, over and over
    int guests = 8;      // who ask; vrouter allows one 20,000 a second
    int rounds = 5;
    int seconds = 3;            // of a trial
    int hit_rate = 20000;       // queries a second at which CPU and latency are compared
    int mixed_rate = 10000;     // nine of ten asked before
    int miss_rate = 4000;       // never asked before
    int crowd = 1000;           // guests on links of their own, who ask for cached names one at a time
    int highest = 60000;        // new names a second: so many are made for the trial of how many can be asked at most
    bool must_be_there = true;  // dnsperf, nsd and the peers: it is an error if one is missing
  } dns{};
};

// So small that it shows only whether the bench runs.
inline const Sizes kQuick{
    .crowd = 60,
    .few = 6,
    .adds = 20,
    .processes = 3,
    .starts = 1,
    .repairs = 2,
    .linear = 20,
    .rounds = 1,
    .round = 60ms,
    .tenants = {.guests = 200, .groups = 10, .rules = 50},
    .reloads = 2,
    .rest = 20ms,
    .flows = 500,
    .storms = {10, 60},
    .settled = 100ms,
    .dhcp =
        {.clients = 100, .rounds = 1, .seconds = 1, .lowest = 50, .highest = 50, .common = 50, .must_be_there = false},
    .dns = {.names = 1000,
            .asked = 100,
            .guests = 2,
            .rounds = 1,
            .seconds = 1,
            .hit_rate = 200,
            .mixed_rate = 200,
            .miss_rate = 200,
            .crowd = 20,
            .highest = 2000,
            .must_be_there = false}};

void add_guest(const Sizes& sizes, Report& report);
void cold_start(const Sizes& sizes, Report& report);
void restart(const Sizes& sizes, Report& report);
void repair(const Sizes& sizes, Report& report);
void throughput(const Sizes& sizes, Report& report);
void policy(const Sizes& sizes, Report& report);
void policy_throughput(const Sizes& sizes, Report& report);
void boot_storm(const Sizes& sizes, Report& report);
void dhcp(const Sizes& sizes, Report& report);
void dns(const Sizes& sizes, Report& report);

}  // namespace vrouter::bench
