#include "spec/architecture.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "core/files.h"
#include "spec/catalogue.h"
#include "spec/hugging_face.h"
#include "spec/hugging_face_released.h"

namespace moesim::spec {
namespace {
TEST(Architecture, EveryFamilyIsFoundByItsNameAndHasOneRow) {
  EXPECT_EQ(architectures().size(), enum_names(Architecture{}).size());
  for (const auto& [name, architecture] : enum_names(Architecture{})) {
    EXPECT_EQ(traits_of(architecture).of, architecture) << name;
    const Config config = Config::from_text("a: " + std::string(name), "m.yaml");
    Architecture read{};
    config.at("a").parse(read);
    EXPECT_EQ(read, architecture) << name;
  }
}

TEST(Architecture, NoTwoFamiliesReadOneModelType) {
  std::set<std::string_view> types;
  for (const ArchitectureTraits& family : architectures()) {
    EXPECT_TRUE(types.insert(name_of(family.of)).second);
    EXPECT_TRUE(family.also_read.empty() || types.insert(family.also_read).second) << family.also_read;
    EXPECT_TRUE(family.written_type.empty() || types.contains(family.written_type)) << family.written_type;
  }
}

TEST(Architecture, TheCatalogueAgreesWithTheRows) {
  for (const std::string& name : catalogue_names("models")) {
    const Model m = load_model(name);
    if (!m.can_run() || !type_with_windows(m).empty()) continue;  // those have readers of their own
    const ArchitectureTraits& family = traits_of(m.architecture);
    EXPECT_EQ(m.norms_per_layer, family.norms_per_layer) << name;
    EXPECT_EQ(m.attention.sinks, family.sinks) << name;
    EXPECT_EQ(m.moe.has_value(), family.moe != MoeKeys::none) << name;
    // These read the keys of gqa.
    const bool whole_heads = m.attention.kind == AttentionKind::mha || m.attention.kind == AttentionKind::block_sparse;
    EXPECT_EQ(whole_heads ? AttentionKind::gqa : m.attention.kind, family.attention) << name;
    EXPECT_EQ(m.attention.chunked, family.chunk_keys) << name;
    EXPECT_EQ(m.moe && m.moe->expert_bias, family.biased_experts) << name;
  }
}

TEST(Architecture, WhatOnlyOneFamilyDoes) {
  for (const ArchitectureTraits& family : architectures()) {
    const bool gemma = family.of == Architecture::gemma3, llama4 = family.of == Architecture::llama4;
    const bool hybrid = family.of == Architecture::qwen3_next || family.of == Architecture::qwen3_5_moe;
    EXPECT_EQ(family.gating == Gating::gelu, gemma);
    EXPECT_EQ(family.norms_from_one, gemma || hybrid);
    EXPECT_EQ(family.scales_embedding, gemma);
    EXPECT_EQ(family.weightless_head_norm, llama4);
    EXPECT_EQ(family.interleaved_rope, llama4);
    EXPECT_EQ(family.joined_delta, family.of == Architecture::qwen3_next);
  }
}
}  // namespace
}  // namespace moesim::spec
