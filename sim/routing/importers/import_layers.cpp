#include "routing/importers/import_layers.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/utf8.h"

namespace moesim::routing {
namespace {
std::vector<int> counting(int n) {
  std::vector<int> out;
  for (int i = 0; i < n; ++i) out.push_back(i);
  return out;
}

LayerAxis settle(const ImportContext& c, const std::string& file, LayerAxis axis, int size,
                 const std::vector<bool>& used, LayerPlan& plan) {
  if (axis == LayerAxis::numbered) return axis;
  const LayerAxis said = c.options.layers == "hidden" ? LayerAxis::hidden
                         : c.options.layers == "moe"  ? LayerAxis::moe
                                                      : LayerAxis::open;
  if (axis != LayerAxis::open && said != LayerAxis::open && said != axis)
    throw ConfigError::placed(fmt::format("--layers: {} holds {} layers by its format, not {}", file,
                                          axis == LayerAxis::hidden ? "all hidden" : "only MoE", c.options.layers));
  if (said != LayerAxis::open) return said;
  if (axis != LayerAxis::open) return axis;
  if (c.model) {
    const int moe = int(c.model->moe_layers().size());
    if (size == c.model->layers) return LayerAxis::hidden;
    if (size == moe) return LayerAxis::moe;
    throw ConfigError(fmt::format("{}: has {} layers, but {} has {}, {} of them MoE layers", file, size, c.model->name,
                                  c.model->layers, moe));
  }
  if (std::find(used.begin(), used.end(), false) != used.end())
    return LayerAxis::hidden;  // rows without routing: dense layers
  plan.notes.push_back(
      "which of the model's layers these are is not known (no model was given): they are numbered from 0");
  return LayerAxis::moe;
}
}  // namespace

LayerPlan plan_layers(const ImportContext& c, const std::string& file, LayerAxis axis, const std::vector<int>& numbers,
                      const std::vector<bool>& used) {
  LayerPlan out;
  const int size = int(used.size());
  axis = settle(c, file, axis, size, used, out);
  std::vector<int> number = axis == LayerAxis::numbered ? numbers : counting(size);
  if (c.model) {
    const std::vector<int> moe = c.model->moe_layers();
    out.hidden_layers = c.model->layers;
    if (axis == LayerAxis::hidden && size != c.model->layers)
      throw ConfigError(fmt::format("{}: has {} layers, but {} has {}", file, size, c.model->name, c.model->layers));
    if (axis == LayerAxis::moe) {
      if (size != int(moe.size()))
        throw ConfigError(fmt::format("{}: has {} MoE layers, but {} has {}", file, size, c.model->name, moe.size()));
      number = moe;
    }
    for (std::size_t i = 0; i < used.size(); ++i)
      if (used[i] && !c.model->is_moe_layer(number[i]))
        throw ConfigError(
            fmt::format("{}: layer {} has routing, but it is not a MoE layer of {}", file, number[i], c.model->name));
  } else if (axis == LayerAxis::hidden) {
    out.hidden_layers = size;
  }
  int empty = 0;
  out.ordinal.assign(used.size(), -1);
  for (std::size_t i = 0; i < used.size(); ++i) {
    if (used[i]) {
      out.ordinal[i] = int(out.layers.size());
      out.layers.push_back(number[i]);
    } else if (!c.model || c.model->is_moe_layer(number[i])) {
      ++empty;
    }
  }
  if (out.layers.empty()) throw ConfigError(fmt::format("{}: holds no routing: every choice is absent or zero", file));
  if (empty > 0)
    out.notes.push_back(c.model ? fmt::format("{} MoE layers of the model hold no routing in the file", empty)
                                : fmt::format("{} layers hold no routing and were taken as dense", empty));
  return out;
}

void check_sizes(const std::string& file, std::int64_t layers, std::int64_t experts, std::int64_t top_k) {
  if (layers > kMostLayers)
    throw ConfigError(fmt::format("{}: has {} layers, expected at most {}", file, layers, kMostLayers));
  if (top_k > kMostTokenChoices / std::max<std::int64_t>(1, layers))
    throw ConfigError(
        fmt::format("{}: {} layers with top-{} are more than a trace holds of a token", file, layers, top_k));
  if (experts > INT16_MAX || layers * experts > kMostLoads)
    throw ConfigError(
        fmt::format("{}: {} experts in {} layers are more than a trace counts loads of ({} in all); is an "
                    "id wrong",
                    file, experts, layers, kMostLoads));
}

void check_filled(const std::string& where, std::int64_t there, std::int64_t places) {
  // assumed: a recording that lacks more than this, beyond the first tokens, is numbered wrongly
  constexpr std::int64_t most_gaps = 64, always = 1 << 18;
  if (places > always + most_gaps * there)
    throw ConfigError(
        fmt::format("{}: holds {} of {} choices, one for each token and layer; are tokens or layers "
                    "numbered wrongly",
                    where, there, places));
}

TraceHeader begin_header(const std::string& source, const std::vector<std::string>& notes, const LayerPlan& plan) {
  TraceHeader out;
  out.source = source;
  out.notes = notes;
  out.notes.insert(out.notes.end(), plan.notes.begin(), plan.notes.end());
  out.hidden_layers = plan.hidden_layers;
  out.layers = plan.layers;
  return out;
}

void describe_model(const ImportContext& c, const std::string& file, TraceHeader& h) {
  if (!c.model) return;
  const spec::MoeShape& moe = *c.model->moe;
  h.model = as_utf8(c.options.model);
  if (h.experts != moe.experts)
    throw ConfigError(
        fmt::format("{}: has {} experts a layer, but {} has {}", file, h.experts, c.model->name, moe.experts));
  if (h.top_k != moe.top_k)
    throw ConfigError(
        fmt::format("{}: has {} choices a token, but {} uses {}", file, h.top_k, c.model->name, moe.top_k));
  h.groups = moe.groups;
  h.groups_used = moe.groups_used;
}
}  // namespace moesim::routing
