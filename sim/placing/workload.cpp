#include "placing/workload.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <numeric>

#include "core/check.h"
#include "core/words.h"
#include "formats/byte_file.h"
#include "placement/files/load_files.h"

namespace moesim::placing {
namespace {
bool is_database(const std::string& file) { return formats::ByteFile(file).head(15) == "SQLite format 3"; }

/// "3, 4 and 9 others": ids as text, the first few.
std::string some_of(std::span<const int> ids) {
  constexpr std::size_t kShown = 8;
  const std::string first = fmt::format("{}", fmt::join(ids.first(std::min(ids.size(), kShown)), ", "));
  return ids.size() > kShown ? fmt::format("{} and {} more", first, ids.size() - kShown) : first;
}

/// "layer 3", "layers 3, 4": those of `wanted` that `there` lacks; both ascending.
std::string lacking(std::span<const int> wanted, std::span<const int> there) {
  std::vector<int> out;
  std::ranges::set_difference(wanted, there, std::back_inserter(out));
  return out.empty() ? "" : fmt::format("layer{} {}", out.size() > 1 ? "s" : "", some_of(out));
}
}  // namespace

Workload read_workload(const std::string& file, const std::string& window) {
  Workload out;
  out.file = file;
  out.name = std::filesystem::path(file).stem().string();
  if (is_database(file)) {
    out.trace = std::make_shared<routing::Trace>(file);
    out.range = placement::window_of(window, out.trace->tokens());
    out.loads = placement::loads_of_trace(*out.trace, out.range);
    if (!window.empty()) out.name += fmt::format("[{}:{}]", out.range.first, out.range.end);
  } else {
    if (!window.empty()) throw ConfigError(fmt::format("{}: counts have no window of tokens", file));
    out.loads = placement::read_loads(file, &out.rank);
  }
  return out;
}

bool same_workload(const Workload& a, const Workload& b) {
  if (bool(a.trace) != bool(b.trace)) return false;
  if (a.trace)
    return a.trace->file() == b.trace->file() && a.range.first == b.range.first && a.range.end == b.range.end;
  return a.loads.layers == b.loads.layers && a.loads.counts == b.loads.counts;
}

std::int64_t shared_tokens(const Workload& a, const Workload& b) {
  if (a.trace && b.trace && a.trace->file() == b.trace->file())
    return std::max<std::int64_t>(0, std::min(a.range.end, b.range.end) - std::max(a.range.first, b.range.first));
  if (a.trace || b.trace || !same_workload(a, b)) return 0;
  const auto row = a.loads.row(0);
  return std::int64_t(std::accumulate(row.begin(), row.end(), 0.0));
}

std::vector<std::string> drop_repeated(std::vector<Workload>& workloads) {
  std::vector<std::string> notes;
  std::vector<Workload> kept;
  for (Workload& w : workloads) {
    const auto same = std::ranges::find_if(kept, [&](const Workload& k) { return same_workload(k, w); });
    if (w.file.empty() || same == kept.end())
      kept.push_back(std::move(w));
    else
      notes.push_back(w.file == same->file ? fmt::format("{} is given twice: taken once", w.name)
                                           : fmt::format("{} holds the same as {}: taken once", w.file, same->file));
  }
  workloads = std::move(kept);
  return notes;
}

void tell_apart(std::span<Workload> planned, std::span<Workload> scored) {
  std::vector<Workload*> all;
  for (Workload& w : planned) all.push_back(&w);
  for (Workload& w : scored) all.push_back(&w);
  std::vector<std::string> names;
  for (const Workload* w : all) names.push_back(w->name);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto clashes = [&](std::size_t j) { return names[j] == names[i] && !same_workload(*all[i], *all[j]); };
    bool clash = false;
    for (std::size_t j = 0; j < all.size(); ++j) clash = clash || clashes(j);
    if (!clash || all[i]->file.empty()) continue;
    const std::size_t window = names[i].find('[');
    all[i]->name = all[i]->file + (all[i]->trace && window != std::string::npos ? names[i].substr(window) : "");
  }
}

std::vector<std::string> keep_common_layers(std::span<Workload> planned, std::span<Workload> scored) {
  std::vector<Workload*> all;
  for (Workload& w : planned) all.push_back(&w);
  for (Workload& w : scored) all.push_back(&w);
  for (const Workload* w : all)
    if (w->loads.experts != all.front()->loads.experts)
      throw ConfigError::placed(fmt::format("{}: has {} experts, but {} has {}", w->name, w->loads.experts,
                                            all.front()->name, all.front()->loads.experts));
  std::vector<int> some, common;  // has any of them, have all
  for (const Workload* w : all) {
    std::vector<int> more, left;
    std::ranges::set_union(some, w->loads.layers, std::back_inserter(more));
    std::ranges::set_intersection(common, w->loads.layers, std::back_inserter(left));
    common = w == all.front() ? w->loads.layers : left;
    some = more;
  }
  std::vector<std::string> notes;
  if (common == some) return notes;
  for (const Workload* w : all)
    if (const std::string missing = lacking(some, w->loads.layers); !missing.empty())
      notes.push_back(fmt::format("{}: has no load in {}", w->name, missing));
  if (common.empty())
    throw ConfigError::placed(fmt::format("no layer has load in all of the files: {}", fmt::join(notes, "; ")));
  for (std::string& note : notes)
    note += fmt::format(": plans and figures are of the {} that all have, and a plan that is written has no others",
                        counted(common.size(), "layer"));
  for (Workload* w : all) w->loads = at_layers(w->loads, common, w->name, "the others");
  return notes;
}

std::vector<std::string> fit_to_model(Workload& w, const spec::Model& model) {
  if (!model.moe) throw ConfigError::placed(fmt::format("{}: has no experts to place", model.name));
  if (w.loads.experts != model.moe->experts)
    throw ConfigError::placed(
        fmt::format("{}: has {} experts, but {} has {}", w.name, w.loads.experts, model.name, model.moe->experts));
  std::vector<std::string> notes;
  if (w.trace) {
    const routing::TraceHeader& h = w.trace->header();
    if (h.top_k != model.moe->top_k)
      throw ConfigError::placed(fmt::format("{}: its tokens choose {} experts, but those of {} {}", w.name, h.top_k,
                                            model.name, model.moe->top_k));
    if (!h.model.empty() && h.model != model.name)
      notes.push_back(fmt::format("{}: recorded from {}, taken as {}", w.name, h.model, model.name));
  }
  const std::vector<int> moe = model.moe_layers();
  if (!w.trace && w.loads.hidden_layers == int(moe.size()) && model.layers > w.loads.hidden_layers) {
    for (int& layer : w.loads.layers) layer = moe[std::size_t(layer)];
    for (int& layer : w.loads.skipped) layer = moe[std::size_t(layer)];
    w.loads.hidden_layers = model.layers;
    notes.push_back(fmt::format("{}: its {} rows are taken as the MoE layers {} to {} of {}", w.name, moe.size(),
                                moe.front(), moe.back(), model.name));
  }
  // Layers behind the last predict further tokens; their counts are there in dumps of whole systems.
  std::vector<int> own = moe;
  for (int layer = model.layers; layer < model.layers + model.mtp_layers; ++layer) own.push_back(layer);
  if (const std::string strange = lacking(w.loads.layers, own); !strange.empty())
    throw ConfigError::placed(fmt::format("{}: has load in {}, where {} has no experts (MoE layers {} to {})", w.name,
                                          strange, model.name, moe.front(), moe.back()));
  if (const std::string missing = lacking(moe, w.loads.layers); !missing.empty())
    notes.push_back(
        fmt::format("{}: has no load in {} of {}, so that no expert is placed there", w.name, missing, model.name));
  return notes;
}

std::vector<std::string> oddities(const Workload& w) {
  const auto experts = std::size_t(w.loads.experts);
  std::size_t dead = 0, layers = 0;
  std::string first;
  for (std::size_t row = 0; row < w.loads.rows(); ++row) {
    std::vector<int> idle;
    for (std::size_t e = 0; e < experts; ++e) {
      if (w.loads.row(row)[e] == 0) idle.push_back(int(e));
    }
    if (idle.empty()) continue;
    dead += idle.size();
    if (layers++ == 0)
      first = fmt::format("layer {}: expert{} {}", w.loads.layers[row], idle.size() > 1 ? "s" : "", some_of(idle));
  }
  std::vector<std::string> notes;
  if (!w.trace && w.file.ends_with(".npy") && w.loads.hidden_layers > w.loads.experts)
    notes.push_back(fmt::format(
        "{}: taken as counts of {} layers by {} experts; ids that tokens chose, [tokens, layers], are for moesim trace "
        "import",
        w.name, w.loads.hidden_layers, w.loads.experts));
  if (w.rank)
    notes.push_back(
        fmt::format("{}: says that it is of rank {}: counts of a single rank, not of the group", w.name, *w.rank));
  const std::vector<int> held = placement::loaded_experts(w.loads);
  if (placement::of_one_rank(w.loads, held)) {
    const bool run = held.back() - held.front() + 1 == int(held.size());
    notes.push_back(
        fmt::format("{}: only experts {} of {} have load, in every layer: looks like the counts of a single "
                    "rank, not of the group",
                    w.name, run ? fmt::format("{} to {}", held.front(), held.back()) : some_of(held), experts));
    return notes;
  }
  if (dead > 0)
    notes.push_back(fmt::format("{}: nothing chose {} in {}; first in {}", w.name, counted(dead, "expert"),
                                counted(layers, "layer"), first));
  return notes;
}

placement::Loads mean_loads(std::span<const Workload> workloads) {
  check(!workloads.empty(), "the mean of no loads");
  placement::Loads out = workloads[0].loads;
  std::ranges::fill(out.counts, 0);
  for (const Workload& w : workloads)
    for (const auto& [one, other] : {std::pair(&workloads[0], &w), std::pair(&w, &workloads[0])})
      if (const std::string missing = lacking(one->loads.layers, other->loads.layers); !missing.empty())
        throw ConfigError::placed(fmt::format("{}: has no load in {}, which {} has", other->name, missing, one->name));
  const auto experts = std::size_t(out.experts);
  std::vector<double> totals, shares;
  for (std::size_t row = 0; row < out.rows(); ++row) {
    totals.clear();
    for (const Workload& w : workloads) {
      const auto counts = w.loads.row(row);
      totals.push_back(std::accumulate(counts.begin(), counts.end(), 0.0));
    }
    for (std::size_t e = 0; e < experts; ++e) {
      // Summed from the least to the most, so that the order in which loads are given does not matter to the last bit.
      shares.clear();
      for (std::size_t w = 0; w < workloads.size(); ++w) shares.push_back(workloads[w].loads.row(row)[e] / totals[w]);
      std::ranges::sort(shares);
      out.counts[row * experts + e] = std::accumulate(shares.begin(), shares.end(), 0.0) / double(shares.size()) * 1e6;
    }
  }
  return out;
}

placement::Loads at_layers(const placement::Loads& loads, std::span<const int> layers, const std::string& who,
                           const std::string& other) {
  if (const std::string missing = lacking(layers, loads.layers); !missing.empty())
    throw ConfigError(fmt::format("{}: has no load in {}, which {} has", who, missing, other));
  placement::Loads out = loads;
  out.layers.assign(layers.begin(), layers.end());
  out.counts.clear();
  for (const int layer : layers) {
    const auto at = std::size_t(std::ranges::lower_bound(loads.layers, layer) - loads.layers.begin());
    const auto row = loads.row(at);
    out.counts.insert(out.counts.end(), row.begin(), row.end());
  }
  return out;
}
}  // namespace moesim::placing
