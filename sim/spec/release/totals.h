// What a release adds up to: parameters, bytes, cache.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "spec/release/release.h"

namespace moesim::spec {

/// Numbers of parameters.  total and active are of the backbone: MTP modules, towers and uncounted vectors apart.
struct ReleaseTotals {
  std::vector<std::pair<TensorKind, std::int64_t>> kinds;         // of the backbone, those there are
  std::vector<std::pair<TensorKind, std::int64_t>> active_kinds;  // the same kinds
  std::int64_t total = 0, active = 0;
  std::int64_t mtp = 0;         // what MTP modules add
  std::int64_t mtp_stored = 0;  // with their stored copies of embedding and head
  std::int64_t vision = 0, audio = 0, uncounted = 0;
};
ReleaseTotals count_release(const Release& release);

/// The weights of one kind in one format.
struct WeightLine {
  Owner owner{};
  TensorKind kind{};
  std::string format;
  std::int64_t parameters = 0, bytes = 0;
};
/// Sorted by owner and kind.
std::vector<WeightLine> weigh_release(const Release& release);
std::int64_t weight_bytes(const Release& release, bool with_mtp_and_towers);

/// What one request keeps.
struct ReleaseCache {
  std::int64_t growing = 0;  // entries of all tokens so far
  std::int64_t windows = 0;  // entries of the last ones
  std::int64_t states = 0;   // recurrent and convolution states, unfinished entries
  std::int64_t total() const { return growing + windows + states; }
};
ReleaseCache cache_of(const Release& release, std::int64_t tokens, EntryFormat format);
/// Bytes that a token adds for good; a fraction where an entry is of several tokens.
double growth_per_token(const Release& release, EntryFormat format);
/// Bytes that a token adds while no window is full.
double written_per_token(const Release& release, EntryFormat format);

/// Layers of one kind, in words: "30 compressed_sparse + experts".
struct LayerCount {
  std::string kind;
  int layers = 0;
};
std::vector<LayerCount> layer_kinds(const Release& release);
}  // namespace moesim::spec
