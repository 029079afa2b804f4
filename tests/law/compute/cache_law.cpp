// What decoding reads and what memory holds is what the catalogue counts of every model's cache, to the last unit.
#include <gtest/gtest.h>

#include <algorithm>

#include "common/published_models.h"
#include "compute/layers/memory.h"
#include "spec/count.h"

namespace moesim::compute {
namespace {
// Whole windows.
std::int64_t length_of(const spec::Model& m) {
  const spec::KeysRead window = spec::windowed_read(m);
  return window.bounded() ? 2 * window.width : 512;
}

// Beside the cache go queries and outputs.  States are written as well as read; beside them go queries, keys, values
// and the output, and two numbers a head (of Mamba-2 one).
std::int64_t cache_read(const Kernel& kernel) {
  if (const auto* a = std::get_if<AttentionDecode>(&kernel))
    return bytes_of(*a).v - 2 * a->heads.heads * (a->heads.qk_dim + a->heads.v_dim);
  if (const auto* s = std::get_if<StateScan>(&kernel)) {
    // KDA's decays, a number a column; and what gates the output where that is done at once.
    const int more = s->kind == Recurrence::kimi_delta
                         ? 2 * s->key_heads * s->key_dim + (s->taps > 0 ? 2 * s->value_heads * s->value_dim : 0)
                         : 0;
    return (bytes_of(*s).v - 4 * (s->key_heads * s->key_dim + s->value_heads * s->value_dim) - more -
            (s->kind == Recurrence::gated_delta ? 8 : 4) * s->value_heads) /
           2;
  }
  if (const auto* c = std::get_if<ShortConvolution>(&kernel)) return (bytes_of(*c).v - 4 * c->channels) / 2;
  return 0;
}

TEST(CacheLaw, DecodingReadsTheCataloguesCache) {
  for (const spec::Model& model : test::published_models()) {
    if (model.attention.compressed) continue;  // compressed_cache_law.cpp
    const std::optional<spec::BlockShape>& blocks = model.attention.blocks;
    Batch batch;
    add_decode(batch, model, length_of(model) - 1);
    std::vector<Operation> operations;
    for (int layer = 0; layer < model.layers; ++layer)
      if (spec::layer_shape(model, layer).attention.kind != spec::AttentionKind::none)
        append_operations(operations, model, layer, LayerPart::attention, Pass::forward, batch, {}, {});
    std::int64_t read = 0, index = 0;
    for (const Operation& o : operations) {
      read += cache_read(o.kernel);
      if (const auto* x = std::get_if<IndexScores>(&o.kernel))
        index += tensor_bytes(x->work.keys * x->dim, x->dtype()).v;
    }
    EXPECT_EQ(Bytes{index}, length_of(model) * spec::index_bytes_per_token(model)) << model.name;
    const Bytes picked = model.attention.indexer  // of what is cached, the picks
                             ? model.attention.indexer->top_k *
                                   spec::cache_bytes_per_layer(model, spec::CacheFormat::bf16) * model.layers
                             : blocks ? (length_of(model) * (model.layers - spec::layers_with_indexer(model)) +
                                         blocks->picks() * spec::layers_with_indexer(model)) *
                                            spec::cache_bytes_per_layer(model, spec::CacheFormat::bf16)
                                      : spec::cache_bytes(model, length_of(model), spec::CacheFormat::bf16);
    EXPECT_EQ(Bytes{read}, picked) << model.name;
  }
}

TEST(CacheLaw, MemoryHoldsTheCataloguesCache) {
  for (const spec::Model& model : test::published_models()) {
    HeldLayers held;
    for (int layer = 0; layer < model.layers; ++layer) held.layers.push_back(layer);
    held.experts = model.moe ? model.moe->experts : 0;
    Batch batch;
    add_decode(batch, model, length_of(model) - 1, 1, 3);
    const MemoryUse use = serving_memory(model, held, cached_tokens(model, 3, length_of(model)), batch, 3, {}, {});
    Bytes cache{}, states{};
    for (const MemoryItem& item : use.items) {
      if (item.name == "kv cache") cache = item.bytes;
      if (item.name == "states") states = item.bytes;
    }
    if (!model.attention.compressed) {  // whose windows are states, too
      EXPECT_EQ(states, 3 * spec::state_bytes(model)) << model.name;
    }
    EXPECT_EQ(cache + states, 3 * spec::cache_bytes(model, length_of(model), spec::CacheFormat::bf16)) << model.name;
  }
}
}  // namespace
}  // namespace moesim::compute
