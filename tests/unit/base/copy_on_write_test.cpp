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

TEST(Shared, CopiesHoldOneValueUntilOneIsChanged) {
  Shared<std::string> one{"a"};
  auto other = one;
  EXPECT_EQ(&*one, &*other);
  EXPECT_EQ(one, other);
  other.own() += "b";
  EXPECT_EQ(*one, "a");
  EXPECT_EQ(*other, "ab");
  EXPECT_NE(one, other);
  EXPECT_EQ(Shared<std::string>{}, std::string{});
}

TEST(Sharer, MakesOneOfWhatIsAlike) {
  Sharer<std::string> sharer;
  const auto a = sharer.share({"a"});
  const auto b = sharer.share({"b"});
  EXPECT_EQ(&*sharer.share({"a"}), &*a);
  EXPECT_EQ(&*sharer.share({"b"}), &*b);
  EXPECT_NE(&*a, &*b);
  EXPECT_EQ(*sharer.share({}), "");
}

TEST(Sharer, GoesOnAfterMoreKindsThanItLooksAt) {
  Sharer<std::string> sharer;
  for (int i = 0; i < 100; ++i) EXPECT_EQ(*sharer.share(std::to_string(i)), std::to_string(i));
  const auto last = sharer.share({"99"});
  EXPECT_EQ(&*sharer.share({"99"}), &*last);
  EXPECT_EQ(*sharer.share({"0"}), "0") << "forgotten by now, and made anew";
}

}  // namespace
}  // namespace vrouter
