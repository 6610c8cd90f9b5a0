// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/boxed.h"

#include <gtest/gtest.h>

#include <string>

namespace vrouter {
namespace {

using Word = Boxed<std::string>;

TEST(Boxed, IsAsLargeAsAPointer) {
  EXPECT_EQ(sizeof(Word), sizeof(void*));
}

TEST(Boxed, HoldsAValueOrNone) {
  Word none, also = std::nullopt;
  EXPECT_FALSE(none);
  EXPECT_FALSE(also.has_value());
  EXPECT_FALSE(Word{std::optional<std::string>{}});
  EXPECT_THROW(static_cast<void>(none.value()), std::bad_optional_access);
  Word word = std::string{"a"};
  ASSERT_TRUE(word);
  EXPECT_EQ(*word, "a");
  EXPECT_EQ(word->size(), 1U);
  EXPECT_EQ(word.value(), "a");
  EXPECT_EQ(Word{std::optional<std::string>{"b"}}.value(), "b");
  word.reset();
  EXPECT_FALSE(word);
  EXPECT_EQ(word.emplace(), "");
  EXPECT_TRUE(word);
}

TEST(Boxed, ACopyHasAValueOfItsOwn) {
  Word one = std::string{"a"};
  auto other = one;
  *other += "b";
  EXPECT_EQ(*one, "a");
  one = other;
  *other += "c";
  EXPECT_EQ(*one, "ab");
  const auto& same = one;
  one = same;
  EXPECT_EQ(*one, "ab");
  one = Word{};
  EXPECT_FALSE(one);
}

TEST(Boxed, MovesTheValueOut) {
  Word one = std::string{"a"};
  const auto* before = &*one;
  auto other = std::move(one);
  EXPECT_EQ(&*other, before);
  EXPECT_EQ(std::move(other).value_or("b"), "a");
  EXPECT_EQ(Word{}.value_or("b"), "b");
}

TEST(Boxed, IsComparedByItsValueAndNoneComesFirst) {
  const Word none, a = std::string{"a"}, b = std::string{"b"};
  EXPECT_EQ(a, std::string{"a"});
  EXPECT_NE(a, b);
  EXPECT_NE(a, none);
  EXPECT_EQ(none, Word{});
  EXPECT_LT(a, b);
  EXPECT_LT(none, a);
  EXPECT_GT(b, none);
}

}  // namespace
}  // namespace vrouter
