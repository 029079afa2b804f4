// A DeepSeek-V4 model as numbers, from its config.json.
#pragma once
#include <string>
#include <vector>

#include "spec/model.h"

namespace moesim::numerics {

struct CompressedShape {
  std::string name;
  int vocabulary = 0, hidden = 0, layers = 0, streams = 0, positions = 0;
  int heads = 0, head_dim = 0, rope_dims = 0, query_rank = 0, groups = 0, group_rank = 0, window = 0;
  int index_heads = 0, index_dim = 0, index_picks = 0;
  std::vector<int> ratios;  // tokens an entry in each layer; 0: the window alone
  int hashed_layers = 0;    // the first ones, whose experts the token id says
  int experts = 0, top_k = 0, expert_width = 0, shared_width = 0;
  double gate_scale = 1, swiglu_limit = 0, norm_epsilon = 0, stream_epsilon = 0;
  int sinkhorn_rounds = 0;
  spec::RopeShape rope;         // of layers with entries: stretched; theta is compressed_theta there
  double compressed_theta = 0;  // base of their frequencies

  /// Entries of this ratio overlap, and an indexer picks among them.
  static constexpr int kIndexedRatio = 4;
  bool has_entries(int layer) const { return ratios[std::size_t(layer)] > 0; }
  bool has_indexer(int layer) const { return ratios[std::size_t(layer)] == kIndexedRatio; }
};

/// Throws ConfigError "FILE: key: problem" for another model_type, missing keys, widths that do not divide, and gates
/// or MTP modules that are not computed here.
CompressedShape read_compressed(const std::string& file);
/// The same of a model of the catalogue, or of one that is scaled down.
CompressedShape compressed_shape(const spec::Model& model);
}  // namespace moesim::numerics
