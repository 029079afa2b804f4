// Steps of MLA that attention over all keys and over picked ones share.
#pragma once
#include "compute/layers/attention_inventory.h"

namespace moesim::compute {

std::int64_t kv_down(const AttentionPart& s);
std::int64_t kv_up(const AttentionPart& s);
bool compresses_queries(const AttentionPart& s);
/// Width of what queries are projected to first.
std::int64_t query_down(const AttentionPart& s);
/// Heads on the cached latent: keys and values are the same memory.
AttentionHeads absorbed(const spec::AttentionShape& a, int heads);

/// The projections to both latents, and their norms.
void latents(OperationList& list, const AttentionPart& s);
void latent_norms(OperationList& list, const AttentionPart& s);
/// From the query latent to queries.
void query_up(OperationList& list, const AttentionPart& s);
/// From the latents of `keys` tokens to keys and values of all heads.
void keys_up(OperationList& list, const AttentionPart& s, std::int64_t keys);
/// Queries into the latent space, and what comes of it back to heads.
void absorb_queries(OperationList& list, const AttentionPart& s, std::int64_t queries);
void values_up(OperationList& list, const AttentionPart& s, std::int64_t queries);
}  // namespace moesim::compute
