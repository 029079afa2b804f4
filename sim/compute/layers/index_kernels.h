// An indexer's kernels from the summed work of a batch, and decoding kernels for another batch.
#pragma once
#include <string>

#include "compute/layers/inventory.h"

namespace moesim::compute {

/// What the model's indexers need of a GPU that has it not, in words; "" if nothing.
std::string missing_for_indexers(const spec::Model& model, const spec::Gpu& gpu);

/// The choice of `picks` keys a query.  all, picked: the same queries with every key before them, and with what is
/// picked.  decode: each row is a sequence of its own; else they are consecutive queries of sequences of one length.
IndexTopK index_top_k(int picks, const AttentionWork& all, const AttentionWork& picked, bool decode);

/// The same work where `entry` of its keys are one.
AttentionWork in_entries(AttentionWork tokens, int entry);
/// What a batch's queries read of DeepSeek-V4's cache.  Windows are those of sequences of the mean length.
AttentionWork entry_work(const Batch& batch, bool decode, const EntryReach& reach);

/// Whether a decoding kernel's work is that of the cache, not of the step's tokens alone.
bool reads_cache(const Kernel& kernel);
/// The same kernel for another batch with as many new tokens.  bounded: its layer does not read everything.
Kernel for_batch(const Kernel& kernel, const Batch& batch, bool bounded);
}  // namespace moesim::compute
