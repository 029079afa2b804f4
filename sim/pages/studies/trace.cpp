// Recorded routing: which experts its tokens chose.
#include "routing/trace.h"

#include <algorithm>
#include <cmath>

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

Loads loads_of(const routing::Trace& trace) {
  Loads out;
  out.layers = trace.header().layers;
  out.experts = std::size_t(trace.header().experts);
  std::vector<std::int64_t> load(out.experts);
  for (int ordinal = 0; ordinal < trace.layers(); ++ordinal) {
    trace.load(ordinal, 0, trace.tokens(), load);
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

void add_map(Page& page, const Loads& l) {
  Heat h;
  h.aria = "Load of each expert in each layer, over the layer's mean";
  h.row_name = "layer", h.column_name = "expert";
  h.rows = names_of(l.layers);
  for (std::size_t e = 0; e < l.experts; ++e) h.columns.push_back(fmt::to_string(e));
  h.values = l.over_mean;
  const std::size_t hottest = std::size_t(std::ranges::max_element(l.most) - l.most.begin());
  Section s;
  s.id = "map";
  s.question = "Which experts are hot?";
  s.answer = html("In layer {} one expert takes {} the layer's mean", l.layers[hottest],
                  bad(fmt::format("{:.1f} x", l.most[hottest])));
  s.panels.push_back({"", "", heat(h)});
  s.below = about_one_key("Load of an expert over its layer's mean: blue idles, orange is hot.");
  page.sections.push_back(std::move(s));
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
  const Loads loads = loads_of(trace);
  facts.file = file, facts.study = "trace";
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
  add_lorenz(page, "", {{"", ranked_shares(loads)}});
  add_layer_lines(page, loads);
  return page;
}
}  // namespace moesim::pages
