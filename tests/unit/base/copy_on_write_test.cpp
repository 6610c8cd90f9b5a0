// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/copy_on_write.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

namespace vrouter {
namespace {

using Words = CopyOnWrite<std::vector<std::string>>;

TEST(CopyOnWrite, CopiesShareUntilOneIsChanged) {
  Words one{"a", "b"};
  auto other = one;
  EXPECT_EQ(&one.front(), &other.front());
  other.push_back("c");
  EXPECT_NE(&one.front(), &other.front());
  EXPECT_EQ(one, (Words{"a", "b"}));
  EXPECT_EQ(other, (Words{"a", "b", "c"}));
}

TEST(CopyOnWrite, WhatNobodySharesIsChangedWhereItIs) {
  Words one{"a"};
  const auto* before = &one.front();
  {
    const auto gone = one;
  }
  one.own().front() = "b";
  EXPECT_EQ(&one.front(), before);
  auto taken = std::move(one);
  EXPECT_EQ(&taken.front(), before);
  EXPECT_TRUE(one.empty()) << "as of a container";  // NOLINT(bugprone-use-after-move)
}

TEST(CopyOnWrite, EqualIsWhatHoldsTheSame) {
  const Words one{"a"};
  EXPECT_EQ(one, Words{"a"});
  EXPECT_NE(one, Words{"b"});
  EXPECT_EQ(Words{}, Words{std::vector<std::string>{}});
}

TEST(CopyOnWrite, AnEmptyOneIsReadAndChanged) {
  CopyOnWrite<std::map<int, int>> map;
  EXPECT_EQ(map.size(), 0U);
  EXPECT_EQ(map.find(1), map.end());
  map.own()[1] = 2;
  EXPECT_TRUE(map.contains(1));
}

}  // namespace
}  // namespace vrouter
