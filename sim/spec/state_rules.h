// What kinds of attention without a cache of tokens have in common, as rules.
#pragma once
#include "spec/attention_rules.h"

namespace moesim::spec {
class StateRules : public AttentionRules {
 public:
  RotatedColumns rotated_columns(const Model&) const override { return {}; }
  Bytes token_bytes(const AttentionShape&, CacheFormat) const override { return {}; }
  int latent_width(const AttentionShape&) const override { return 0; }
  std::int64_t decode_width(const AttentionShape&) const override { return 0; }
  AttentionShape instead_of(AttentionShape own) const override { return own; }
  void scale(AttentionShape&, const Scale&) const override {}
  void fit_laptop(const AttentionShape&, Scale&) const override {}
};
}  // namespace moesim::spec
