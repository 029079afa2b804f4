#include "numerics/algebra/ordered.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "core/named_enum.h"
#include "numerics/algebra/threads.h"

namespace moesim::numerics {
namespace {
struct Case {
  int rows, columns, inner;
};

class Ordered : public testing::TestWithParam<Case> {
 protected:
  Ordered() {
    std::mt19937 random(std::uint32_t(GetParam().rows * 31 + GetParam().inner));
    const auto draw = [&](std::vector<float>& to, int count) {
      for (int i = 0; i < count; ++i) to.push_back(float(random()) * 0x1p-31F - 1);
    };
    draw(a_, rows() * (inner() + 3));
    draw(b_, columns() * (inner() + 3) + inner() * 3);
    draw(y_, rows() * (columns() + 2));
  }
  int rows() const { return GetParam().rows; }
  int columns() const { return GetParam().columns; }
  int inner() const { return GetParam().inner; }
  float a(int r, int k) const { return a_[std::size_t(r * (inner() + 3) + k)]; }
  MatrixView view_a() const { return {a_.data(), rows(), inner(), inner() + 3}; }
  MatrixView transposed_b() const { return {b_.data(), columns(), inner(), inner() + 3}; }
  MatrixView plain_b() const { return {b_.data(), inner(), columns(), columns() + 3}; }

  /// The order that the header promises, with b(k, c) wherever it lies.
  template <class B>
  std::vector<float> by_the_book(const B& b, float scale, bool add) const {
    std::vector<float> out = y_;
    for (int r = 0; r < rows(); ++r)
      for (int c = 0; c < columns(); ++c) {
        float& y = out[std::size_t(r * (columns() + 2) + c)];
        if (!add) y = 0;
        for (int first = 0; first < inner(); first += kPiece) {
          float sum = 0;
          for (int k = first; k < std::min(inner(), first + kPiece); ++k) sum += a(r, k) * b(k, c);
          y = !add && first == 0 ? scale * sum : y + scale * sum;
        }
      }
    return out;
  }
  std::vector<float> a_, b_, y_;
};

TEST_P(Ordered, EveryWidthOfVectorsGivesTheBitsOfTheOrderThatIsPromised) {
  const auto transposed = [&](int k, int c) { return b_[std::size_t(c * (inner() + 3) + k)]; };
  const auto plain = [&](int k, int c) { return b_[std::size_t(k * (columns() + 3) + c)]; };
  for (const bool add : {false, true}) {
    const std::vector<float> one = by_the_book(transposed, 0.3F, add), other = by_the_book(plain, 0.3F, add);
    for (const int floats : {4, 8, 16}) {
      std::vector<float> y = y_;
      ordered_transposed(view_a(), transposed_b(), y.data(), columns() + 2, 0.3F, add, floats);
      EXPECT_EQ(y, one) << floats << " floats a vector";
      y = y_;
      ordered(view_a(), plain_b(), y.data(), columns() + 2, 0.3F, add, floats);
      EXPECT_EQ(y, other) << floats << " floats a vector";
    }
  }
}

TEST_P(Ordered, ARowDoesNotDependOnTheRowsBesideIt) {
  std::vector<float> all = y_, alone = y_;
  ordered_transposed(view_a(), transposed_b(), all.data(), columns() + 2, 1, false);
  for (int r = 0; r < rows(); ++r)
    ordered_transposed({view_a().data + r * view_a().stride, 1, inner(), view_a().stride}, transposed_b(),
                       alone.data() + r * (columns() + 2), columns() + 2, 1, false);
  EXPECT_EQ(all, alone);
}

INSTANTIATE_TEST_SUITE_P(Shapes, Ordered,
                         testing::Values(Case{1, 1, 1}, Case{1, 8, 4}, Case{1, 37, 259}, Case{3, 15, 7},
                                         Case{8, 16, 256}, Case{9, 17, 257}, Case{13, 64, 1030}, Case{5, 33, 0}));

TEST(Products, InWholeNumbersOpenBlasGivesTheSame) {
  std::vector<float> a, b, ours(6 * 20), theirs(6 * 20);
  for (int i = 0; i < 6 * 300; ++i) a.push_back(float(i * 7 % 11 - 5));
  for (int i = 0; i < 20 * 300; ++i) b.push_back(float(i * 5 % 13 - 6));
  multiply_transposed({a.data(), 6, 300, 300}, {b.data(), 20, 300, 300}, ours.data(), 20);
  EXPECT_EQ(products_note(), "matrix products in one order: the same on every x86-64");
  {
    const UseProducts use(Products::openblas);
    multiply_transposed({a.data(), 6, 300, 300}, {b.data(), 20, 300, 300}, theirs.data(), 20);
    const std::string note = products_note();
    EXPECT_TRUE(note.starts_with("matrix products by OpenBLAS ")) << note;
    EXPECT_NE(note.find(" with its kernels for "), std::string::npos) << note;
  }
  EXPECT_EQ(ours, theirs);
  EXPECT_EQ(products_in_use(), Products::ordered);
}

TEST(Products, WhatStoodThereCountsOnlyWhereItIsAddedTo) {
  using Floats = std::vector<float>;
  const Floats a{1, 2, 3, 4}, b{5, 6, 7, 8};
  const MatrixView square{b.data(), 2, 2, 2};
  for (const Products how : {Products::ordered, Products::openblas})
    for (const int rows : {1, 2}) {
      const UseProducts use(how);
      const auto first = [&](Floats all) { return Floats(all.begin(), all.begin() + rows * 2); };
      const auto product = [&](auto multiplied, bool add) {
        Floats y(std::size_t(rows) * 2, 100);
        multiplied(MatrixView{a.data(), rows, 2, 2}, square, y.data(), 2, 1, add);
        return y;
      };
      EXPECT_EQ(product(multiply_transposed, false), first({17, 23, 39, 53})) << core::name_of(how);
      EXPECT_EQ(product(multiply_transposed, true), first({117, 123, 139, 153})) << core::name_of(how);
      EXPECT_EQ(product(multiply, false), first({19, 22, 43, 50})) << core::name_of(how);
      EXPECT_EQ(product(multiply, true), first({119, 122, 143, 150})) << core::name_of(how);
    }
}

TEST(Products, ThreadsComputeAsTheOneThatMadeThem) {
  const UseProducts use(Products::openblas);
  Threads threads(3);
  std::vector<Products> seen(64, Products::ordered);
  threads.each(64, [&](int index, int) { seen[std::size_t(index)] = products_in_use(); });
  EXPECT_EQ(seen, std::vector<Products>(64, Products::openblas));
}
}  // namespace
}  // namespace moesim::numerics
