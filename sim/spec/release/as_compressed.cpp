// DeepSeek-V4 as a model to run: layers that differ in how many tokens an entry stands for.
#include <algorithm>
#include <variant>

#include "spec/release/as_model.h"

namespace moesim::spec {
namespace {
const CompressedPlan* compressed_of(const LayerPlan& layer) {
  return layer.mixers.size() == 1 ? std::get_if<CompressedPlan>(&layer.mixers.front()) : nullptr;
}
}  // namespace

void set_compressed(const Described& d, Model& m, const std::function<void(std::string_view)>& refuse) {
  CompressedShape shape;
  for (const std::vector<LayerPlan>* const of : {&d.plan.layers, &d.plan.mtp})
    for (const LayerPlan& layer : *of) {
      const CompressedPlan* const own = compressed_of(layer);
      if (!own) refuse("layers with other attention beside compressed entries have no kernels yet");
      shape.entries.push_back(own->ratio);
      if (own->indexed) shape.indexed = own->ratio;
    }
  const CompressedPlan& p = *compressed_of(d.plan.layers.front());
  AttentionShape& a = m.attention;
  a.kind = AttentionKind::compressed;
  a.heads = p.heads;
  a.kv_heads = 1;
  a.head_dim = a.v_head_dim = p.head_dim;
  a.q_lora_rank = p.q_rank;
  a.qk_rope_head_dim = p.rope;
  a.sinks = true;
  shape.window = p.window;
  shape.output_groups = p.o_groups;
  shape.output_rank = p.o_rank;
  if (shape.indexed == 0) refuse("none of its layers has an indexer");
  a.indexer = IndexerShape{p.index_heads, p.index_dim, d.text.size("index_topk"), true, {}};
  a.compressed = shape;
  m.residual_streams = std::max(1, d.plan.layers.front().residual_streams);
  m.swiglu_limit = d.text.object().number_or("swiglu_limit", 0);
}

}  // namespace moesim::spec
