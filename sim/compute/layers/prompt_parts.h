// Prompts that several GPUs share: each computes a part of every prompt's tokens, against the keys of all of them.
#pragma once
#include "compute/layers/inventory.h"

namespace moesim::compute {

/// Part `part` of `of` of a batch of prompts.  Each prompt is cut into 2 x `of` pieces, as long as whole tokens allow,
/// the first ones a token longer; a part has piece `part` and the one as far from the end, so that all have as many
/// query-key pairs.  A part reads, and where keys are expanded to heads expands, the keys of whole prompts; the head
/// computes all outputs in each part.  Nothing of `batch` decodes; layers must not pass anything on from token to token
/// (spec::passes_on).  Sums over prompts are cut as if these were equally long: exact for one, or for equal ones.
/// Source: SGLang, python/sglang/srt/layers/cp/zigzag.py (2026); a prompt of fewer than 2 x `of` tokens, which it
/// leaves whole, is cut here too: some parts have nothing to do.
Batch prompt_part(const Batch& batch, int part, int of);

/// What the GPUs of a prompt's parts gather of each new token in a layer: keys and values, or the latent; the indexer's
/// key.  Both in BF16, as they are computed: they are written to the cache, in its format, after that (SGLang,
/// materialize_full_kv and materialize_full_mla_kv of the same file; nsa_indexer.py gathers before it casts).
struct GatheredKeys {
  Bytes kept{}, index{};
};
GatheredKeys gathered_keys(const spec::Model& model, int layer, const LayerOptions& options);
}  // namespace moesim::compute
