#include "numerics/synthetic/synthetic_parts.h"

#include <gtest/gtest.h>

#include "spec/catalogue.h"
#include "spec/scale.h"

namespace moesim::numerics {
namespace {
struct Values {
  std::vector<float> of;
  int columns = 0;
  float at(int row, int column) const { return of[std::size_t(row * columns + column)]; }
};

class SyntheticParts : public testing::Test {
 protected:
  SyntheticParts() : model_(spec::load_model("mixtral-8x7b")) {
    model_ = spec::scaled(model_, spec::laptop_scale(model_));
  }
  Values part(Part part, int rows, int columns, int layer = 0) const {
    return {synthetic_part(model_, {}, {part, rows, columns}, layer, -1), columns};
  }
  spec::Model model_;
};

TEST_F(SyntheticParts, ProjectionsAreFilledFromTheFirstValueOn) {
  const Values head = part(Part::head, 6, 8);
  for (const float v : head.of) EXPECT_NE(v, 0.0F);
}

// Nothing writes to coordinate 0 of the hidden state but the embedding.
TEST_F(SyntheticParts, WhatIsAddedToTheHiddenStateLeavesItsFirstCoordinate) {
  const Values down = part(Part::expert_down, 6, 8);
  for (int c = 0; c < 8; ++c) EXPECT_EQ(down.at(0, c), 0.0F) << c;
  EXPECT_NE(down.at(1, 0), 0.0F);
  const Values joined = part(Part::mtp_projection, 6, 12);
  EXPECT_EQ(joined.at(0, 0), 1.0F);
  for (int c = 1; c < 12; ++c) EXPECT_EQ(joined.at(0, c), 0.0F) << c;
}

TEST_F(SyntheticParts, EveryEmbeddingBeginsWithTheConstant) {
  const Values embedding = part(Part::embedding, 5, 8);
  for (int row = 0; row < 5; ++row) {
    EXPECT_EQ(embedding.at(row, 0), 3.0F) << row;
    EXPECT_NE(embedding.at(row, 1), 3.0F) << row;
  }
}

// Local heads write what the last few tokens say, the others what the whole text does, each as strongly as is asked.
TEST_F(SyntheticParts, EveryHeadWritesWithTheStrengthOfItsKind) {
  const int heads = model_.attention.heads, width = model_.attention.v_head_dim;
  const auto with = [&](double text, double context) {
    SyntheticOptions o;
    o.text = text, o.context = context;
    return Values{synthetic_part(model_, o, {Part::output, 4, heads * width}, 1, -1), heads * width};
  };
  const Values one = with(1, 1), loud = with(4, 2);
  for (int c = 0; c < heads * width; ++c) {
    EXPECT_NE(one.at(1, c), 0.0F) << c;
    EXPECT_EQ(loud.at(1, c), (c / width % 2 == 1 ? 2 : 4) * one.at(1, c)) << c;
  }
}

// The first two rotating pairs of local heads, every second one from the layer's number on, see the constant.
TEST_F(SyntheticParts, EverySecondHeadHasAConstantQuery) {
  const int heads = model_.attention.heads, dim = model_.attention.head_dim;
  for (const int layer : {0, 1}) {
    const Values query = part(Part::query, heads * dim, model_.hidden, layer);
    for (int head = 0; head < heads; ++head) {
      int constant = 0;
      for (int d = 0; d < dim; ++d) constant += query.at(head * dim + d, 0) != 0.0F;
      EXPECT_EQ(constant, (head + layer) % 2 == 0 ? 2 : 0) << "layer " << layer << ", head " << head;
    }
  }
}
}  // namespace
}  // namespace moesim::numerics
