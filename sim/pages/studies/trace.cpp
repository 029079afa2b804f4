// Recorded routing: which experts its tokens chose.
#include "routing/trace.h"
#include "routing/statistics.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "pages/studies/common.h"
#include "pages/studies/loads.h"
#include "pages/studies/studies.h"
#include "results/summary.h"

namespace moesim::pages {
namespace {
struct Loads {
  std::vector<int> layers;
  std::size_t experts = 0;
  std::vector<double> over_mean;  // (layers, experts)
  std::vector<double> most, unused;
};

constexpr std::size_t kMostRanges = 200;  // of one kind of text: tokens of kinds that alternate are a sample
constexpr std::size_t kMostKinds = 4;

/// Over the layer's mean, of the tokens in these ranges.
Loads loads_of(const routing::Trace& trace, const std::vector<routing::TokenRange>& ranges) {
  Loads out;
  out.layers = trace.header().layers;
  out.experts = std::size_t(trace.header().experts);
  std::vector<std::int64_t> load(out.experts), part(out.experts);
  for (int ordinal = 0; ordinal < trace.layers(); ++ordinal) {
    std::ranges::fill(load, 0);
    for (const routing::TokenRange& range : ranges) {
      trace.load(ordinal, range.first, range.end - range.first, part);
      for (std::size_t e = 0; e < load.size(); ++e) load[e] += part[e];
    }
    double sum = 0, unused = 0;
    for (const std::int64_t l : load) sum += double(l), unused += l == 0;
    double most = 0;
    for (const std::int64_t l : load) {
      out.over_mean.push_back(sum > 0 ? double(l) * double(out.experts) / sum : NAN);
      most = std::max(most, out.over_mean.back());
    }
    out.most.push_back(most);
    out.unused.push_back(unused);
  }
  return out;
}

struct Kind {
  std::string name;
  std::int64_t tokens = 0;
  Loads loads;
  bool sampled = false;
};
/// The kinds of text with most tokens; none where there is one.
std::vector<Kind> kinds_of(const routing::Trace& trace) {
  std::vector<Kind> out;
  const std::vector<std::string>& names = trace.header().domains;
  if (names.size() < 2) return out;
  std::vector<std::vector<routing::TokenRange>> ranges;
  for (std::size_t d = 0; d < names.size(); ++d) {
    routing::TraceFilter filter;
    filter.domain = int(d);
    std::vector<routing::TokenRange> all = routing::select(trace, filter);
    Kind kind{names[d].empty() ? fmt::format("kind {}", d) : names[d], 0, {}, all.size() > kMostRanges};
    for (const routing::TokenRange& r : all) kind.tokens += r.end - r.first;
    if (kind.tokens == 0) continue;
    if (kind.sampled) {
      std::vector<routing::TokenRange> some;
      for (std::size_t i = 0; i < kMostRanges; ++i) some.push_back(all[i * all.size() / kMostRanges]);
      all = std::move(some);
    }
    out.push_back(std::move(kind));
    ranges.push_back(std::move(all));
  }
  if (out.size() < 2) return {};
  std::vector<std::size_t> order(out.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::ranges::stable_sort(order, std::greater{}, [&](std::size_t i) { return out[i].tokens; });
  if (order.size() > kMostKinds) order.resize(kMostKinds);
  std::vector<Kind> kept;
  for (const std::size_t i : order) {
    out[i].loads = loads_of(trace, ranges[i]);
    kept.push_back(std::move(out[i]));
  }
  return kept;
}

Heat map_of(const Loads& l, std::string aria) {
  Heat h;
  h.aria = std::move(aria);
  h.row_name = "layer", h.column_name = "expert";
  h.rows = names_of(l.layers);
  for (std::size_t e = 0; e < l.experts; ++e) h.columns.push_back(fmt::to_string(e));
  h.values = l.over_mean;
  return h;
}

void add_map(Page& page, const Loads& l) {
  const Heat h = map_of(l, "Load of each expert in each layer, over the layer's mean");
  const std::size_t hottest = std::size_t(std::ranges::max_element(l.most) - l.most.begin());
  Section s;
  s.id = "map";
  s.question = "Which experts are hot?";
  s.answer = html("In layer {} one expert takes {} the layer's mean", l.layers[hottest],
                  bad(fmt::format("{:.1f} x", l.most[hottest])));
  s.panels.push_back({"", "", heat(h)});
  s.below = about_one_key("Load of an expert over its layer's mean: blue idles, orange is hot.");
  s.note =
      "A trace keeps choices in compressed blocks, which no SQL reads: all here was counted from them, as moesim trace "
      "stats --json counts.";
  page.sections.push_back(std::move(s));
}

void add_kinds(Page& page, const std::vector<Kind>& kinds, const routing::TraceStatistics& s) {
  if (kinds.empty()) return;
  Section section;
  section.id = "kinds";
  section.question = "Do kinds of text choose other experts?";
  section.columns = kinds.size() == 3 ? 3 : 2;
  const double likeness = s.mean(&routing::LayerStatistics::domain_correlation);
  section.answer =
      html("Loads of two kinds of text correlate with {}, mean over layers{}", strong(fmt::format("{:.2f}", likeness)),
           likeness < 0.5 ? ": what is hot for one is not for another" : "");
  bool sampled = false;
  for (const Kind& kind : kinds) {
    const double most = std::ranges::max(kind.loads.most);
    section.panels.push_back({kind.name,
                              fmt::format("{} tokens, hottest expert {:.1f} x its layer's mean",
                                          results::pretty(double(kind.tokens), ""), most),
                              heat(map_of(kind.loads, kind.name + ": load of each expert in each layer"))});
    sampled = sampled || kind.sampled;
  }
  section.below = about_one_key("Load of an expert over its layer's mean for this kind of text.");
  section.note = "1 would mean that all kinds of text have the same hot experts.";
  if (sampled)
    section.note += fmt::format(" Of kinds that alternate more often, {} runs of tokens spread evenly.", kMostRanges);
  page.sections.push_back(std::move(section));
}

/// One line over the layers.
Figure layer_line(const routing::TraceStatistics& s, std::string name, std::string aria,
                  std::vector<std::pair<std::string, double routing::LayerStatistics::*>> members, bool to_next) {
  Lines l;
  l.aria = std::move(aria);
  l.x_name = "layer", l.y_name = std::move(name), l.keyed = true;
  const std::size_t n = s.layers.size() - (to_next ? 1 : 0);
  for (std::size_t i = 0; i < n; ++i) l.x.push_back(s.layers[i].layer);
  for (const auto& [label, member] : members) {
    Lines::Series& line = l.series.emplace_back();
    line.name = label;
    for (std::size_t i = 0; i < n; ++i) line.y.push_back(s.layers[i].*member);
  }
  return lines(l);
}

void add_affinity(Page& page, const routing::TraceStatistics& s) {
  if (s.layers.size() < 2) return;
  using L = routing::LayerStatistics;
  const double affinity = s.mean(&L::affinity), chance = s.mean(&L::affinity_by_chance);
  Section section;
  section.id = "affinity";
  section.question = "Does one choice tell the next?";
  section.columns = 2;
  section.answer = html("Knowing a token's expert, the likeliest one of the next layer is right for {}; by chance {}",
                        strong(share_text(affinity)), share_text(chance));
  section.panels.push_back(
      {"from layer to layer", "",
       layer_line(s, "share of the tokens", "Affinity to the next layer, by layer",
                  {{"likeliest expert is right", &L::affinity}, {"by chance", &L::affinity_by_chance}}, true)});
  section.panels.push_back(
      {"from token to token", "",
       layer_line(s, "share with the same first choice", "Repetition from token to token, by layer",
                  {{"as the token before", &L::repetition}}, false)});
  section.note =
      "Of first choices. What is above chance can be used: experts that follow each other on one GPU, experts fetched "
      "ahead.";
  page.sections.push_back(std::move(section));
}

void add_fan_out(Page& page, const routing::TraceStatistics& s) {
  using L = routing::LayerStatistics;
  Section section;
  section.id = "fan-out";
  section.question = "How far do tokens travel?";
  section.columns = 2;
  section.answer = html("On {} GPUs with experts in order a token visits {} GPUs on {} nodes", s.group.gpus,
                        strong(fmt::format("{:.2f}", s.mean(&L::gpus_per_token))),
                        strong(fmt::format("{:.2f}", s.mean(&L::nodes_per_token))));
  section.panels.push_back({"", "",
                            layer_line(s, "distinct, a token", "GPUs and nodes a token visits, by layer",
                                       {{"GPUs", &L::gpus_per_token}, {"nodes", &L::nodes_per_token}}, false)});
  section.panels.push_back({"", "",
                            layer_line(s, "mean over max GPU load", "Balance of the GPUs by layer",
                                       {{"experts in order", &L::balance}}, false)});
  section.note = fmt::format(
      "Experts in order on {} GPUs, {} a node. moesim trace stats --gpus N counts other groups, moesim place plans "
      "what "
      "does better.",
      s.group.gpus, s.group.gpus_per_node);
  page.sections.push_back(std::move(section));
}

void add_layer_lines(Page& page, const Loads& l) {
  Lines most;
  most.aria = "The hottest expert of each layer, over the layer's mean";
  most.x_name = "layer", most.y_name = "hottest expert over mean";
  most.x.assign(l.layers.begin(), l.layers.end());
  most.series = {{"", l.most}};
  most.at_y = {{1, "dashed: all alike"}};
  Lines unused = most;
  unused.aria = "Experts of each layer that nothing chose";
  unused.y_name = "experts that nothing chose";
  unused.series = {{"", l.unused}};
  unused.at_y.clear();
  const double mean = [&] {
    double sum = 0;
    for (const double m : l.most) sum += m;
    return sum / double(l.most.size());
  }();
  Section s;
  s.id = "layers";
  s.question = "Is every layer as skewed?";
  s.columns = 2;
  s.answer = html("The hottest expert of a layer takes {} its mean on average", strong(fmt::format("{:.1f} x", mean)));
  s.panels.push_back({"", "", lines(most)});
  if (std::ranges::any_of(l.unused, [](double n) { return n > 0; })) s.panels.push_back({"", "", lines(unused)});
  page.sections.push_back(std::move(s));
}

/// Each layer's experts in order of load, means over layers.
Rows ranked_shares(const Loads& l) {
  std::vector<double> mean(l.experts, 0);
  for (std::size_t r = 0; r < l.layers.size(); ++r) {
    std::vector<double> row(l.over_mean.begin() + std::ptrdiff_t(r * l.experts),
                            l.over_mean.begin() + std::ptrdiff_t((r + 1) * l.experts));
    if (!std::isfinite(row.front())) continue;
    std::ranges::sort(row);
    for (std::size_t e = 0; e < l.experts; ++e) mean[e] += row[e];
  }
  Rows out;
  for (std::size_t e = 0; e < l.experts; ++e) out.rows.push_back({{double(e), ""}, {mean[e], ""}});
  return out;
}
}  // namespace

Page trace_page(const std::string& file, Facts& facts) {
  const routing::Trace trace(file);
  const routing::TraceHeader& header = trace.header();
  const Loads loads = loads_of(trace, {{0, trace.tokens()}});
  const std::vector<Kind> kinds = kinds_of(trace);
  const routing::TraceStatistics statistics = routing::trace_statistics(trace, {std::min(32, header.experts), 8});
  facts.file = file, facts.study = "trace";
  facts.version = results::Database::open(file).value("SELECT value FROM trace WHERE key = 'program'").value_or("");
  Page page;
  page.kind = "trace";
  page.title = fmt::format("{}, recorded by {}", header.model.empty() ? "a model that is not named" : header.model,
                           header.source);
  if (!trace.complete()) page.alarm = html("This recording was interrupted: it holds what was recorded until then.");
  page.headline = html("{} tokens chose {} of {} experts in each of {} layers", strong(brief(double(trace.tokens()))),
                       header.top_k, header.experts, trace.layers());
  page.keys = {{"Tokens", results::pretty(double(trace.tokens()), ""), "", "", "", {}, ""},
               {"Passes", results::pretty(double(trace.passes()), ""), "", "", "", {}, ""},
               {"Experts", fmt::to_string(header.experts), fmt::format("{} a token", header.top_k), "", "", {}, ""},
               {"Groups", fmt::to_string(header.groups), fmt::format("{} used", header.groups_used), "", "", {}, ""}};
  for (const std::string& note : header.notes) page.assumed.push_back(html("{}", note));
  add_map(page, loads);
  add_kinds(page, kinds, statistics);
  std::vector<std::pair<std::string, Rows>> curves;
  if (!kinds.empty()) curves.emplace_back("all", ranked_shares(loads));
  for (const Kind& kind : kinds)
    if (curves.size() < kMostKinds) curves.emplace_back(kind.name, ranked_shares(kind.loads));
  if (curves.empty()) curves.emplace_back("", ranked_shares(loads));
  add_lorenz(page, {}, curves);
  add_layer_lines(page, loads);
  if (!header.sampled) add_affinity(page, statistics);  // tokens dealt from counts have their experts by chance
  add_fan_out(page, statistics);
  return page;
}
}  // namespace moesim::pages
