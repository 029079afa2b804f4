// moesim show CONFIG...: releases as their config.json describes them, one or several side by side.
#include <fmt/format.h>

#include "cli/show.h"
#include "cli/showing/catalogue_text.h"
#include "core/config_error.h"
#include "formats/json.h"
#include "results/summary.h"
#include "spec/catalogue.h"
#include "spec/release/missing.h"
#include "spec/release/totals.h"

namespace moesim::cli {
namespace {
std::string gib(std::int64_t bytes) { return fmt::format("{:.2f} GiB", double(bytes) / double(1 << 30)); }
std::string bytes_text(std::int64_t bytes) { return results::pretty(double(bytes), "B"); }

/// What keeps a release from being run here; "" if nothing does.
std::string obstacle(const spec::Release& r) {
  const std::string missing = spec::missing_to_run(r);
  if (!missing.empty()) return missing;
  try {
    return spec::load_model(r.file).obstacle();
  } catch (const ConfigError& e) {
    return e.what();
  }
}

std::string parameters_text(const spec::Release& r) {
  const spec::ReleaseTotals t = spec::count_release(r);
  results::TextTable table({"parameters", "all", "active"});
  for (std::size_t i = 0; i < t.kinds.size(); ++i)
    table.add(
        {std::string(name_of(t.kinds[i].first)), long_count(t.kinds[i].second), long_count(t.active_kinds[i].second)});
  table.add({"total", long_count(t.total), long_count(t.active)});
  const auto apart = [&](const char* name, std::int64_t count) {
    if (count > 0) table.add({name, long_count(count), "apart"});
  };
  apart("MTP modules", t.mtp);
  apart("vision tower", t.vision);
  apart("audio tower", t.audio);
  apart("small vectors", t.uncounted);
  return table.text();
}

std::string weights_text(const spec::Release& r) {
  results::TextTable table({"weights", "of", "format", "parameters", "bytes", "bits each"});
  for (const spec::WeightLine& line : spec::weigh_release(r))
    table.add({std::string(name_of(line.kind)), std::string(name_of(line.owner)), line.format,
               long_count(line.parameters), bytes_text(line.bytes),
               fmt::format("{:.3f}", 8 * double(line.bytes) / double(line.parameters))});
  return table.text() + fmt::format("  {} as released, {} with MTP modules and towers: {}\n",
                                    bytes_text(spec::weight_bytes(r, false)), bytes_text(spec::weight_bytes(r, true)),
                                    r.quantisation.empty() ? "not quantised" : r.quantisation);
}

std::string layers_text(const spec::Release& r) {
  std::string out = fmt::format("layers     {} of width {}:", r.layers.size(), long_count(r.hidden));
  for (const spec::LayerCount& kind : spec::layer_kinds(r)) out += fmt::format(" {} {},", kind.layers, kind.kind);
  out.pop_back();
  out += "\n";
  if (r.experts)
    out += fmt::format("experts    {} of width {}, top-{}{}\n", r.experts->experts, long_count(r.experts->width),
                       r.experts->top_k,
                       r.experts->idle > 0 ? fmt::format(", and {} that compute nothing", r.experts->idle) : "");
  return out + fmt::format("vocabulary {}, positions {}\n", long_count(r.vocabulary), long_count(r.max_positions));
}

/// What a later request that begins alike can take over.
std::string prefix_text(const spec::Release& r) {
  int tokens = 0, windows = 0, states = 0;
  std::int64_t checkpoint = 0;
  for (const spec::ReleaseLayer& layer : r.layers) {
    bool bounded = false, grows = false;
    for (const spec::CacheEntry& entry : layer.cache) (entry.last > 0 ? bounded : grows) = true;
    tokens += grows;
    windows += bounded && !grows;
    states += layer.recurrent;
    if (layer.recurrent) checkpoint += layer.state_bytes;
  }
  std::string out = fmt::format("  a prefix cache keeps the tokens of {} layers", tokens);
  if (windows > 0) out += fmt::format(", of {} only those of the window before where it was cut", windows);
  if (states > 0)
    out += fmt::format(", of {} a state of {} in all for each place to go on from", states, bytes_text(checkpoint));
  return out + "\n";
}

/// Bytes of one token; entries for several tokens make fractions.
std::string token_bytes(double bytes) {
  return bytes == double(std::int64_t(bytes)) ? fmt::format("{} B", long_count(std::int64_t(bytes)))
                                              : fmt::format("{:.1f} B", bytes);
}

/// Whether the kernels of this release store their entries in plain FP8.
bool same_as_fp8(const spec::Release& r) {
  return spec::written_per_token(r, spec::EntryFormat::packed) == spec::written_per_token(r, spec::EntryFormat::fp8);
}

std::string cache_table(const std::vector<spec::Release>& releases, const ShowOptions& o) {
  std::vector<std::string> header = {"cache", "format", "writes", "a token", "windows", "states"};
  for (const std::int64_t tokens : o.contexts) header.push_back("at " + long_count(tokens));
  results::TextTable table(header);
  for (const spec::Release& r : releases)
    for (const auto& [name, format] : enum_names(spec::EntryFormat{})) {
      if (format == spec::EntryFormat::packed && same_as_fp8(r)) continue;
      const spec::ReleaseCache longest = spec::cache_of(r, o.contexts.back(), format);
      std::vector<std::string> row = {r.name,
                                      std::string(name),
                                      token_bytes(spec::written_per_token(r, format)),
                                      token_bytes(spec::growth_per_token(r, format)),
                                      bytes_text(longest.windows),
                                      bytes_text(longest.states)};
      for (const std::int64_t tokens : o.contexts) row.push_back(gib(spec::cache_of(r, tokens, format).growing));
      table.add(row);
    }
  return table.text() +
         "  writes: what a token adds in all layers; a token: what stays of it for good; windows and states: of one "
         "request, whatever its length; at N tokens:\n"
         "  what grew, windows and states apart; fp8_mla: as the publishers' kernels store it\n";
}

std::string notes_text(const spec::Release& r) {
  std::string out;
  for (const std::string& note : r.notes) out += fmt::format("note       {}\n", note);
  const std::string missing = obstacle(r);
  out += missing.empty() ? fmt::format("runs       as model: {}\n", r.file.ends_with(".yaml") ? r.name : r.file)
                         : fmt::format("cannot run {}\n", missing);
  return out;
}

formats::Json cache_json(const spec::Release& r, const ShowOptions& o) {
  formats::Json out;
  for (const auto& [name, format] : enum_names(spec::EntryFormat{})) {
    formats::Json& one = out[std::string(name)];
    one["per_token"] = spec::growth_per_token(r, format);
    one["written_per_token"] = spec::written_per_token(r, format);
    const spec::ReleaseCache longest = spec::cache_of(r, o.contexts.back(), format);
    one["windows"] = longest.windows;
    one["states"] = longest.states;
    for (const std::int64_t tokens : o.contexts) {
      const spec::ReleaseCache c = spec::cache_of(r, tokens, format);
      one["at"][std::to_string(tokens)] = {{"growing", c.growing}, {"total", c.total()}};
    }
  }
  return out;
}

formats::Json release_json(const spec::Release& r, const ShowOptions& o) {
  const spec::ReleaseTotals t = spec::count_release(r);
  formats::Json out = {{"name", r.name}, {"model_type", r.model_type}};
  formats::Json& counts = out["parameters"];
  counts = {{"total", t.total},           {"active", t.active}, {"mtp", t.mtp},
            {"mtp_stored", t.mtp_stored}, {"vision", t.vision}, {"audio", t.audio},
            {"uncounted", t.uncounted}};
  for (std::size_t i = 0; i < t.kinds.size(); ++i) {
    const std::string kind(name_of(t.kinds[i].first));
    counts["parts"][kind] = {{"all", t.kinds[i].second}, {"active", t.active_kinds[i].second}};
  }
  formats::Json layers = formats::Json::array();
  for (const spec::LayerCount& kind : spec::layer_kinds(r))
    layers.push_back({{"kind", kind.kind}, {"layers", kind.layers}});
  out["layers"] = layers;
  if (r.experts)
    out["experts"] = {{"experts", r.experts->experts},
                      {"top_k", r.experts->top_k},
                      {"width", r.experts->width},
                      {"idle", r.experts->idle}};
  out["quantisation"] = r.quantisation;
  formats::Json lines = formats::Json::array();
  for (const spec::WeightLine& line : spec::weigh_release(r))
    lines.push_back({{"kind", name_of(line.kind)},
                     {"of", name_of(line.owner)},
                     {"format", line.format},
                     {"parameters", line.parameters},
                     {"bytes", line.bytes}});
  out["weights"] = lines;
  out["weight_bytes"] = {{"as_released", spec::weight_bytes(r, false)},
                         {"released_files", spec::weight_bytes(r, true)}};
  for (const auto& [name, format] : enum_names(spec::EntryFormat{})) {  // as of a model that runs
    out["kv_bytes_per_token"][std::string(name)] = spec::written_per_token(r, format);
    out["kv_bytes"][std::string(name)] = spec::cache_of(r, o.context, format).total();
  }
  out["context"] = o.context;
  out["cache"] = cache_json(r, o);
  out["notes"] = r.notes;
  out["cannot_run"] = obstacle(r);
  return out;
}

std::string side_by_side(const std::vector<spec::Release>& releases) {
  results::TextTable table(
      {"release", "all", "active", "share", "MTP", "vision", "layers", "experts", "top-k", "weights", "bits each"});
  for (const spec::Release& r : releases) {
    const spec::ReleaseTotals t = spec::count_release(r);
    const std::int64_t bytes = spec::weight_bytes(r, false);
    const auto some = [](std::int64_t n) { return n > 0 ? short_count(double(n)) : "-"; };
    table.add({r.name, short_count(double(t.total)), short_count(double(t.active)),
               fmt::format("{:.1f} %", 100 * double(t.active) / double(t.total)), some(t.mtp), some(t.vision),
               fmt::to_string(r.layers.size()), r.experts ? fmt::to_string(r.experts->experts) : "-",
               r.experts ? fmt::to_string(r.experts->top_k) : "-", bytes_text(bytes),
               fmt::format("{:.2f}", 8 * double(bytes) / double(t.total))});
  }
  return table.text();
}
}  // namespace

std::string show_releases(const std::vector<spec::Release>& releases, const ShowOptions& options) {
  if (options.json) {
    if (releases.size() == 1) return formats::json_text(release_json(releases.front(), options), 2) + "\n";
    formats::Json all = formats::Json::array();
    for (const spec::Release& r : releases) all.push_back(release_json(r, options));
    return formats::json_text(formats::Json{{"models", all}}, 2) + "\n";
  }
  std::string out;
  if (releases.size() == 1) {
    const spec::Release& r = releases.front();
    out = fmt::format("{} ({})\n\n{}\n{}\n{}\n", r.name, r.model_type, layers_text(r), parameters_text(r),
                      weights_text(r));
    return out + cache_table(releases, options) + prefix_text(r) + "\n" + notes_text(r);
  }
  out = side_by_side(releases) + "\n" + cache_table(releases, options);
  for (const spec::Release& r : releases) {
    std::string lines = notes_text(r);
    out += fmt::format("\n{}\n{}", r.name, lines);
  }
  return out;
}
}  // namespace moesim::cli
