#include "spec/release/missing.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "core/named_enum.h"
#include "spec/architecture.h"
#include "spec/release/as_model.h"

namespace moesim::spec {
namespace {
/// "": layers of this kind run.
std::string_view without_kernels(MixerKind kind, bool halved) {
  switch (kind) {
    case MixerKind::none:
    case MixerKind::full:
    case MixerKind::window:
    case MixerKind::chunk:
    case MixerKind::latent:
    case MixerKind::gated_delta:
    case MixerKind::sparse_latent:
    case MixerKind::compressed_sparse:
    case MixerKind::compressed:
    case MixerKind::block_sparse:
    case MixerKind::kimi_delta:
      return "";
    case MixerKind::mamba:
      return "Mamba";
    case MixerKind::mamba2:
      return halved ? "" : "Mamba-2 beside a network in one layer";
    case MixerKind::short_convolution:
      return "short convolutions";
    case MixerKind::lightning:
      return "lightning attention";
  }
  return "";
}

/// Whether layers of its family that are halves, attention, a state or a network alone, run as such.
bool has_halves(std::string_view type) {
  return std::ranges::any_of(architectures(), [&](const ArchitectureTraits& family) {
    return family.from_release && family.halved_layers && (type == name_of(family.of) || type == family.also_read);
  });
}
}  // namespace

std::string missing_to_run(const Release& release) {
  const bool halved = has_halves(release.model_type);
  std::vector<std::string_view> out;
  const auto add = [&](std::string_view what) {
    if (!what.empty() && std::ranges::find(out, what) == out.end()) out.push_back(what);
  };
  for (const ReleaseLayer& layer : release.layers) {
    for (const MixerKind one : layer.mixers) add(without_kernels(one, halved));
    if (layer.mixers.size() > 1 && !joins_later(release)) add("two attentions in one");
    if (!halved && (layer.feed == FeedKind::none || layer.mixers.front() == MixerKind::none)) add("one half alone");
  }
  return out.empty() ? "" : fmt::format("layers of {} have no kernels yet", fmt::join(out, ", "));
}
}  // namespace moesim::spec
