#include "pages/studies/serving_sections.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string_view>

#include "core/words.h"
#include "pages/studies/common.h"
#include "pages/studies/faults.h"
#include "pages/studies/loads.h"
#include "results/summary.h"

namespace moesim::pages {
namespace {
/// Names of a column in the order they first come.
std::vector<std::string> names_in(const Rows& rows, std::size_t column) {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < rows.size(); ++i)
    if (std::ranges::find(out, rows.text(i, column)) == out.end()) out.push_back(rows.text(i, column));
  return out;
}
std::vector<std::string> first_column(const Rows& rows) { return names_in(rows, 0); }

/// The highest of some bars: whose it is, and its largest part with that one's share.
struct Highest {
  std::string whose;
  double sum = 0, share = 0;
  std::size_t part = 0;
};
/// Adds a bar for each pool of rows (pool, part, value); parts: those of `k`, as rows name them.
Highest stack_pools(const Rows& rows, const std::vector<std::string>& parts, Stacks& k) {
  Highest out;
  for (const std::string& pool : first_column(rows)) {
    Stack& stack = k.stacks.emplace_back();
    stack.label = pool;
    stack.parts.assign(parts.size(), 0);
    double sum = 0;
    for (std::size_t i = 0; i < rows.size(); ++i)
      if (rows.text(i, 0) == pool) {
        stack.parts[std::size_t(std::ranges::find(parts, rows.text(i, 1)) - parts.begin())] = rows.number(i, 2);
        sum += rows.number(i, 2);
      }
    stack.shown = results::pretty(sum, k.unit);
    const auto top = std::ranges::max_element(stack.parts);
    if (sum > out.sum) out = {pool, sum, *top / sum, std::size_t(top - stack.parts.begin())};
  }
  return out;
}

/// rows: (whose, name, value, unit) as a table with a row a figure and a column each whose.
DataTable pivot(const Rows& rows) {
  constexpr std::size_t kMostColumns = 64;
  std::vector<std::string> whose = first_column(rows);
  if (whose.size() > kMostColumns) whose.resize(kMostColumns);
  DataTable out{"", {"figure"}, {}};
  out.columns.insert(out.columns.end(), whose.begin(), whose.end());
  std::vector<std::string> names;
  std::map<std::pair<std::string, std::string>, std::size_t> at;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (std::ranges::find(names, rows.text(i, 1)) == names.end()) names.push_back(rows.text(i, 1));
    at[{rows.text(i, 0), rows.text(i, 1)}] = i;
  }
  for (const std::string& name : names) {
    std::vector<Cell> row = {cell(spaced(name))};
    for (const std::string& w : whose) {
      const auto found = at.find({w, name});
      row.push_back(found == at.end() ? Cell{} : cell(rows.number(found->second, 2), rows.text(found->second, 3)));
    }
    out.rows.push_back(std::move(row));
  }
  return out;
}
}  // namespace

void add_limits(Page& page, const Facts& f, const Queries& q) {
  const Rows rows = q.rows("limits");
  if (rows.empty()) return;
  Section s;
  s.id = "limits";
  s.question = "What limits the pools?";
  const std::vector<std::string> pools = first_column(rows);
  s.columns = pools.size() > 1 ? 2 : 1;
  for (const std::string& pool : pools) {
    Bars b;
    b.aria = "Shares of the time of pool " + pool;
    b.label_name = "what", b.value_name = "share", b.full = 1;
    double from = 0;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (rows.text(i, 0) != pool || !(rows.number(i, 2) >= 0.002)) continue;
      const std::string what = words_of(rows.text(i, 1));
      const Tone tone = b.bars.empty()                            ? Tone::answer
                        : what == "dispatch" || what == "combine" ? Tone::alert
                                                                  : Tone::rest;
      b.bars.push_back({what, from, std::min(1.0, from + rows.number(i, 2)), share_text(rows.number(i, 2)), "", tone});
      from += rows.number(i, 2);
    }
    if (!b.bars.empty()) s.panels.push_back({"pool " + pool, "", bars(b)});
  }
  const Rows neck = q.rows("bottleneck");
  if (!neck.empty() && neck.text(0, 1) == "load")
    s.answer =
        html("Pool {} waits for requests {} of its time", neck.text(0, 0), strong(share_text(neck.number(0, 2))));
  else if (!neck.empty())
    s.answer = html("The largest part of pool {}'s time is {}: {}", neck.text(0, 0), strong(words_of(neck.text(0, 1))),
                    share_text(neck.number(0, 2)));
  else
    s.answer = html("The largest part of pool {}'s time is {}: {}", rows.text(0, 0), strong(words_of(rows.text(0, 1))),
                    share_text(rows.number(0, 2)));
  if (f.has("load"))
    s.note = fmt::format("What arrives is {} of what the busiest pool could serve. ", share_text(f.value("load")));
  s.note +=
      "Share of a pool's time that it spends on a part of its steps or waits for it; parts under 0.2 % are left out.";
  s.sql = {q.sql("limits"), q.sql("bottleneck")};
  page.sections.push_back(std::move(s));
}

void add_step_parts(Page& page, const Queries& q) {
  const Rows rows = q.rows("step_parts");
  if (rows.empty()) return;
  Stacks k;
  k.aria = "A step's time by kind of work", k.label_name = "pool", k.unit = "s";
  const std::vector<std::string> parts = names_in(rows, 1);
  const auto tone = [](const std::string& part) {
    return part == "dispatch_time"         ? Tone::alert
           : part == "combine_time"        ? Tone::ink
           : part == "experts_time"        ? Tone::answer
           : part == "attention_core_time" ? Tone::part
           : part == "attention_in_time"   ? Tone::kind1
                                           : Tone::rest;
  };
  for (const std::string& part : parts) k.parts.emplace_back(words_of(part), tone(part));
  const Highest longest = stack_pools(rows, parts, k);
  Section s;
  s.id = "step";
  s.question = "Where does a step's time go?";
  double attention = 0;  // of which its core is one part
  for (const Stack& stack : k.stacks)
    for (std::size_t p = 0; p < parts.size(); ++p)
      if (stack.label == longest.whose && parts[p].starts_with("attention_")) attention += stack.parts[p] / longest.sum;
  const std::string most = longest.sum > 0 ? k.parts[longest.part].first : "";
  s.answer = html("If nothing overlapped, {} of a step of pool {} would be {}{}", strong(share_text(longest.share)),
                  longest.whose, most,
                  most.starts_with("attention") && attention > longest.share
                      ? fmt::format(", and {} attention as a whole", share_text(attention))
                      : "");
  s.panels.push_back({"", "", stacks(k)});
  s.note =
      "All layers, mean over steps of the pool's first instance; each kind of work as long as it takes alone, so where "
      "some of it overlaps, a step is shorter than the bar. Above, what limits a pool is told by the work that its "
      "steps "
      "wait for.";
  s.sql = {q.sql("step_parts")};
  page.sections.push_back(std::move(s));
}

namespace {
/// The KV cache as two parts: what was in use at most, and what never was; where every pool says so.
void split_cache(const Facts& f, const std::vector<std::string>& parts, Stacks& k) {
  const auto cache = std::ranges::find(parts, "kv_cache");
  const auto peak = [&](const Stack& s) { return f.value("kv_peak", "pool:" + s.label); };
  if (cache == parts.end() || !std::ranges::all_of(k.stacks, [&](const Stack& s) { return peak(s) <= 1; })) return;
  const auto at = cache - parts.begin();
  k.parts[std::size_t(at)].first = "KV cache, in use at most";
  k.parts.insert(k.parts.begin() + at + 1, {"KV cache, never in use", Tone::light});
  for (Stack& s : k.stacks) {
    const double all = s.parts[std::size_t(at)];
    s.parts[std::size_t(at)] = all * peak(s);
    s.parts.insert(s.parts.begin() + at + 1, all * (1 - peak(s)));
  }
}
}  // namespace

void add_pool_memory(Page& page, const Facts& f, const Queries& q) {
  const Rows rows = q.rows("memory");
  if (rows.empty()) return;
  Stacks k;
  k.aria = "Memory of a GPU by pool", k.label_name = "pool", k.unit = "B";
  const std::vector<std::string> parts = names_in(rows, 1);
  for (std::size_t p = 0; p < parts.size(); ++p)
    k.parts.emplace_back(words_of(parts[p]), parts[p] == "kv_cache"  ? Tone::answer
                                             : parts[p] == "weights" ? Tone::rest
                                                                     : tone_of_part(p + 1));
  const Highest fullest = stack_pools(rows, parts, k);
  split_cache(f, parts, k);
  const std::optional<double> holds = gpu_memory(f);
  if (holds) k.limits.push_back({*holds, "what a GPU holds: " + results::pretty(*holds, "B")});
  const double peak = f.value("kv_peak", "pool:" + fullest.whose);
  Section s;
  s.id = "memory";
  s.question = "Does it fit, and what fills it?";
  s.answer = html("A GPU of pool {} holds {}{}", fullest.whose, strong(results::pretty(fullest.sum, "B")),
                  std::isfinite(peak) ? fmt::format("; of its KV cache at most {} were in use", share_text(peak)) : "");
  s.panels.push_back({"", "", stacks(k)});
  s.sql = {q.sql("memory"), q.sql("kv_peak")};
  page.sections.push_back(std::move(s));
}

namespace {
void add_experts(Section& s, const Queries& q) {
  Matrix m = matrix_of(q.rows("experts"));
  if (m.columns.size() < 2) return;
  Heat h;
  h.aria = "Load of each expert in each layer, over the layer's mean";
  h.row_name = "layer", h.column_name = "expert";
  h.rows = names_of(m.rows), h.columns = names_of(m.columns);
  h.values = std::move(m.values);
  s.panels.push_back({"which experts are hot", "", heat(h)});
  s.below = about_one_key("Load of an expert over its layer's mean: blue idles, orange is hot.");
  s.sql.push_back(q.sql("experts"));
}
}  // namespace

void add_layers(Page& page, const Queries& q) {
  const Rows rows = q.rows("layers");
  if (rows.empty()) return;
  std::vector<LayerLine> all;
  double least = INFINITY, sum = 0;
  int worst = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (all.empty() || all.back().name != rows.text(i, 0)) all.push_back({rows.text(i, 0), {}, {}});
    all.back().layers.push_back(rows.number(i, 1));
    all.back().values.push_back(rows.number(i, 2));
    sum += rows.number(i, 2);
    if (rows.number(i, 2) < least) least = rows.number(i, 2), worst = rows.whole(i, 1);
  }
  Section s;
  s.id = "layers";
  s.question = "How even is the load of the experts?";
  const double mean = sum / double(rows.size());
  if (least >= 0.9995)
    s.answer = html("All GPUs have the same to do in every layer");
  else
    s.answer = apart(share_text(mean), share_text(least),
                     html("The mean GPU has {} of the fullest one's load; layer {} is the worst with {}",
                          strong(share_text(mean)), worst, bad(share_text(least))),
                     html("The mean GPU has {} of the fullest one's load in every layer", strong(share_text(mean))));
  s.panels.push_back(
      {"how even the GPUs are", "",
       layer_lines(all, "mean over max", fmt::format("Balance by layer, from {:.3f}, mean {:.3f}", least, mean))});
  s.sql = {q.sql("layers")};
  add_experts(s, q);
  page.sections.push_back(std::move(s));
}

void add_pools(Page& page, const Queries& q) {
  const Rows rows = q.rows("pools");
  if (rows.empty()) return;
  Section s;
  s.id = "pools";
  s.question = "What does each pool do?";
  const std::size_t pools = first_column(rows).size();
  s.answer = html("{} {}, means over the window", pools, pools == 1 ? "pool" : "pools");
  s.below = table_html(pivot(rows));
  s.sql = {q.sql("pools")};
  page.sections.push_back(std::move(s));
}

void add_events(Page& page, const Facts& f, const Queries& q) {
  for (const auto& [name, question, whose] : {std::tuple("faults", "What do failures cost?", "fault"),
                                              {"rebalancing", "What do new placements cost and bring?", "pool"}}) {
    Rows rows = q.rows(name);
    if (rows.empty()) continue;
    Section s;
    s.id = name;
    s.question = question;
    const std::size_t n = first_column(rows).size();
    if (std::string_view(name) == "faults") {
      for (std::vector<Field>& row : rows.rows) row[0].text = fault_title(f, row[0].text);
      double worst = 0;
      std::string which;
      for (std::size_t i = 0; i < rows.size(); ++i)
        if (rows.text(i, 1) == "recovery_time" && rows.number(i, 2) > worst)
          worst = rows.number(i, 2), which = rows.text(i, 0);
      s.answer = html("{}; the longest recovery takes {} ({})", core::counted(n, "failure"),
                      bad(results::pretty(worst, "s")), which);
    } else {
      s.answer = html("New plans in {} {}", n, n == 1 ? "pool" : "pools");
    }
    s.below = table_html(pivot(rows));
    s.sql = {q.sql(name)};
    page.sections.push_back(std::move(s));
  }
}
}  // namespace moesim::pages
