// The indexer's keys of a config.json.  Source: configuration_deepseek_v32.py and configuration_glm_moe_dsa.py of
// transformers.
#include <fmt/format.h>

#include "spec/check_model.h"
#include "spec/hugging_face_attention.h"

namespace moesim::spec {
namespace {
/// Layers without an indexer: listed in indexer_types, or all but the first ones and every index_topk_freq-th.
std::vector<int> shared_layers(const formats::JsonObject& v, int layers) {
  std::vector<int> out;
  if (v.has("index_topk_pattern")) v.fail("index_topk_pattern", "is not read here; give indexer_types");
  if (v.has("indexer_types")) {
    const std::vector<std::string> types = v.words("indexer_types");
    if (int(types.size()) != layers)
      v.fail("indexer_types",
             fmt::format("must have one entry for each of the {} layers, has {}", layers, types.size()));
    for (int layer = 0; layer < layers; ++layer) {
      const std::string& type = types[std::size_t(layer)];
      if (type != "full" && type != "shared")
        v.fail("indexer_types", fmt::format("expected full or shared, got \"{}\"", type));
      if (type == "shared") out.push_back(layer);
    }
    if (!out.empty() && out.front() == 0) v.fail("indexer_types", "the first layer must be \"full\", got \"shared\"");
    return out;
  }
  const int every = v.whole_or("index_topk_freq", 1), offset = v.whole_or("index_skip_topk_offset", 0);
  if (every < 1) v.fail("index_topk_freq", "must be more than 0");
  for (int layer = 1; layer < layers; ++layer)
    if (layer >= offset && (layer - offset + 1) % every != 0) out.push_back(layer);
  return out;
}
}  // namespace

void read_indexer(const formats::JsonObject& v, Model& m) {
  IndexerShape x;
  x.heads = int(v.integer("index_n_heads", 0, kMostWidth));
  x.head_dim = int(v.integer("index_head_dim", 0, kMostWidth));
  x.top_k = v.whole("index_topk");
  x.interleaved_rope = v.flag_or("indexer_rope_interleave", traits_of(m.architecture).missing.interleaved_index_rope);
  x.shared_layers = shared_layers(v, m.layers);
  m.attention.indexer = x;
}

void check_mixture_list(const formats::JsonObject& v, const Model& m) {
  if (!v.has("mlp_layer_types")) return;
  const std::vector<std::string> types = v.words("mlp_layer_types");
  if (int(types.size()) != m.layers)
    v.fail("mlp_layer_types",
           fmt::format("must have one entry for each of the {} layers, has {}", m.layers, types.size()));
  for (int layer = 0; layer < m.layers; ++layer)
    if (const std::string& type = types[std::size_t(layer)]; (type == "sparse") != m.is_moe_layer(layer))
      v.fail("mlp_layer_types", fmt::format("says \"{}\" of layer {}, first_k_dense_replace {} says {}", type, layer,
                                            m.moe->first_dense_layers, m.is_moe_layer(layer) ? "sparse" : "dense"));
}
}  // namespace moesim::spec
