#include "spec/release/totals.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <tuple>

#include "core/named_enum.h"

namespace moesim::spec {

ReleaseTotals count_release(const Release& release) {
  ReleaseTotals out;
  std::map<TensorKind, std::pair<std::int64_t, std::int64_t>> kinds;
  for (const Tensor& t : release.tensors) {
    switch (t.owner) {
      case Owner::backbone:
        kinds[t.kind].first += t.all();
        kinds[t.kind].second += t.each() * t.active;
        break;
      case Owner::mtp:
        out.mtp_stored += t.all();
        if (!t.duplicate) out.mtp += t.all();
        break;
      case Owner::vision:
        out.vision += t.all();
        break;
      case Owner::audio:
        out.audio += t.all();
        break;
      case Owner::uncounted:
        out.uncounted += t.all();
        break;
    }
  }
  for (const auto& [kind, count] : kinds) {
    out.kinds.emplace_back(kind, count.first);
    out.active_kinds.emplace_back(kind, count.second);
    out.total += count.first;
    out.active += count.second;
  }
  return out;
}

std::vector<WeightLine> weigh_release(const Release& release) {
  std::map<std::tuple<Owner, TensorKind, std::string>, WeightLine> lines;
  for (std::size_t i = 0; i < release.tensors.size(); ++i) {
    const Tensor& t = release.tensors[i];
    const WeightFormat& f = release.formats[i];
    WeightLine& line = lines[{t.owner, t.kind, f.name}];
    line.owner = t.owner;
    line.kind = t.kind;
    line.format = f.name;
    line.parameters += t.all();
    line.bytes += t.copies * stored_bytes(f, t.rows, t.columns);
  }
  std::vector<WeightLine> out;
  for (auto& [key, line] : lines) out.push_back(std::move(line));
  return out;
}

std::int64_t weight_bytes(const Release& release, bool with_mtp_and_towers) {
  std::int64_t sum = 0;
  for (const WeightLine& line : weigh_release(release))
    if (with_mtp_and_towers || line.owner == Owner::backbone || line.owner == Owner::uncounted) sum += line.bytes;
  return sum;
}

ReleaseCache cache_of(const Release& release, std::int64_t tokens, EntryFormat format) {
  ReleaseCache out;
  for (const ReleaseLayer& layer : release.layers) {
    out.states += layer.state_bytes;
    for (const CacheEntry& entry : layer.cache) {
      const std::int64_t kept = entry.last > 0 ? std::min(entry.last, tokens) : tokens;
      (entry.last > 0 ? out.windows : out.growing) += kept / entry.every * entry.bytes(format);
    }
  }
  return out;
}

namespace {
double per_token(const Release& release, EntryFormat format, bool windows) {
  double sum = 0;
  for (const ReleaseLayer& layer : release.layers)
    for (const CacheEntry& entry : layer.cache)
      if (entry.last == 0 || windows) sum += double(entry.bytes(format)) / double(entry.every);
  return sum;
}
}  // namespace

double growth_per_token(const Release& release, EntryFormat format) { return per_token(release, format, false); }
double written_per_token(const Release& release, EntryFormat format) { return per_token(release, format, true); }

std::vector<LayerCount> layer_kinds(const Release& release) {
  std::vector<LayerCount> out;
  for (const ReleaseLayer& layer : release.layers) {
    std::string kind;
    for (const MixerKind one : layer.mixers)
      if (one != MixerKind::none) kind += (kind.empty() ? "" : " + ") + std::string(name_of(one));
    if (layer.feed != FeedKind::none) kind += (kind.empty() ? "" : " + ") + std::string(name_of(layer.feed));
    const auto found = std::ranges::find(out, kind, &LayerCount::kind);
    if (found == out.end())
      out.push_back({kind, 1});
    else
      ++found->layers;
  }
  return out;
}
}  // namespace moesim::spec
