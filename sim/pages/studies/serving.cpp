// Requests served: what users see, what the pools do, what limits them.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "pages/studies/common.h"
#include "pages/studies/faults.h"
#include "pages/studies/serving_sections.h"
#include "pages/studies/studies.h"
#include "results/summary.h"

namespace moesim::pages {
namespace {
/// The target in seconds, if the scenario has one: "40 ms".
std::optional<double> target(const Facts& f, std::string_view what) {
  for (const std::string key : {"serving.slo.", "answer.serving.slo."})
    if (const std::optional<double> value = seconds_of(f.setting(key + std::string(what))); value && *value > 0)
      return value;
  return std::nullopt;
}

/// With its word: targets of a plan are of a percentile.
std::vector<Guide> targets(const Facts& f, std::string_view what) {
  std::vector<Guide> out;
  if (const std::optional<double> t = target(f, what)) out.push_back({*t, "target " + results::pretty(*t, "s")});
  for (const char* of : {"p50", "p90", "p99", "mean"})
    if (const auto t = seconds_of(f.setting(fmt::format("size.targets.{}_{}", what, of))); t && *t > 0)
      out.push_back({*t, fmt::format("target of {} {}", of, results::pretty(*t, "s"))});
  return out;
}

constexpr std::pair<std::string_view, std::string_view> kLatencies[] = {{"ttft", "until the first token"},
                                                                        {"tpot", "per further token"},
                                                                        {"e2e", "until the last token"},
                                                                        {"queue", "waiting for a place"}};

/// Where no curve was kept: the few points that are figures.
Lines curve_of(const Facts& f, const Queries& q, const std::string& name) {
  Lines l;
  const Rows rows = q.db().has_table("latency") ? q.rows("latency", {name}) : Rows{};
  l.series.push_back({"requests that took no longer", {}});
  for (std::size_t i = 0; i < rows.size(); ++i) {
    l.x.push_back(rows.number(i, 1));
    l.series[0].y.push_back(100 * rows.number(i, 0));
  }
  if (rows.empty())
    for (const auto& [figure, share] :
         {std::pair("p50", 50.0), {"p90", 90.0}, {"p95", 95.0}, {"p99", 99.0}, {"p999", 99.9}})
      if (const double v = f.value(fmt::format("{}_{}", name, figure)); std::isfinite(v))
        l.x.push_back(v), l.series[0].y.push_back(share);
  l.x_name = "took at most", l.x_unit = "s", l.y_name = "% of requests", l.top = 100;
  return l;
}

}  // namespace

void add_latency(Page& page, const Facts& f, const Queries& q) {
  Section s;
  s.id = "latency";
  s.question = "How long do users wait?";
  s.columns = 2;
  std::size_t most = 0;  // so that charts beside each other begin at one height
  for (const auto& [name, label] : kLatencies) most = std::max(most, targets(f, name).size());
  for (const auto& [name, label] : kLatencies) {
    Lines l = curve_of(f, q, std::string(name));
    if (l.x.size() < 2 || !(l.x.back() > 0)) continue;
    l.at_x = targets(f, name), l.rows_above = most;
    const std::string p50 = f.shown(fmt::format("{}_p50", name)), p99 = f.shown(fmt::format("{}_p99", name));
    l.aria = fmt::format("{}: half within {}, 99 % within {}", label, p50, p99);
    l.logarithmic_x = l.x.front() > 0 && l.x.back() > 30 * l.x.front();
    s.panels.push_back(
        {std::string(label),
         fmt::format("half {}, 99 % {}", p50.empty() ? "not known" : p50, p99.empty() ? "not known" : p99), lines(l)});
    s.sql.push_back(q.sql("latency", {std::string(name)}));
  }
  if (s.panels.empty()) return;
  const std::string first = f.shown("ttft_p90"), further = f.shown("tpot_p90");
  if (!first.empty() && !further.empty())
    s.answer = html("Nine of ten users see the first token within {}, and later ones every {} or faster", strong(first),
                    strong(further));
  else if (!further.empty())
    s.answer = html("Nine of ten users get a token every {} or faster", strong(further));
  else
    s.answer = html("Nine of ten users see the first token within {}", strong(first));
  s.note =
      "Of the requests that arrived after the warm-up. Those open at the end count for as long as they have lasted.";
  page.sections.push_back(std::move(s));
}

namespace {
struct Series {
  std::string_view name, label, unit;
};
constexpr Series kSeries[] = {{"output_tokens_per_second", "generated", "tokens/s"},
                              {"running", "requests in steps", ""},
                              {"waiting", "requests waiting", ""},
                              {"kv_occupancy", "KV cache in use", "share"},
                              {"utilisation", "time in steps", "share"},
                              {"instances_on", "instances", ""},
                              {"kv_hit_rate", "prompt tokens found in the cache", "share"}};

/// A chart of one series, a line a pool; nothing where it was 0 all the time, or never changed though it says how many.
std::optional<Figure> over_time(const Queries& q, const Series& series, const std::vector<Guide>& marks) {
  const Rows rows = q.rows("over_time", {std::string(series.name)});
  std::map<std::string, std::map<double, double>> pools;
  std::set<double> times;
  double low = INFINITY, high = -INFINITY;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const double t = rows.number(i, 1), v = rows.number(i, 2);
    if (!std::isfinite(t) || !std::isfinite(v)) continue;
    pools[rows.text(i, 0)][t] = v;
    times.insert(t);
    low = std::min(low, v), high = std::max(high, v);
  }
  if (times.size() < 2 || high <= 0 || (series.name == "instances_on" && low == high)) return std::nullopt;
  Lines l;
  l.x.assign(times.begin(), times.end());
  l.x_name = "time", l.x_unit = "s", l.y_name = std::string(series.label),
  l.y_unit = series.unit == "share" ? "" : std::string(series.unit);
  if (series.unit == "share") l.y_name += ", %";
  l.aria = fmt::format("{} over time, from {:.3g} to {:.3g}", series.label, low, high);
  l.height = 112;
  l.at_x = marks;
  for (const auto& [pool, values] : pools) {
    if (l.series.size() == 5) break;
    Lines::Series& line = l.series.emplace_back();
    line.name = pool;
    for (const double t : l.x) {
      const auto at = values.find(t);
      line.y.push_back(at == values.end() ? NAN : series.unit == "share" ? 100 * at->second : at->second);
    }
  }
  return lines(l);
}

void add_over_time(Page& page, const Facts& f, const Queries& q) {
  Section s;
  s.id = "time";
  s.question = "What happens over time?";
  s.columns = 2;
  const Marks marks = marks_of(f, q.numbers("rebalanced"));
  for (const Series& series : kSeries)
    if (std::optional<Figure> figure = over_time(q, series, marks.guides)) {
      s.panels.push_back({"", "", std::move(*figure)});
      s.sql.push_back(q.sql("over_time", {std::string(series.name)}));
    }
  if (s.panels.empty()) return;
  double kv = 0, waiting = 0;
  for (const std::string& pool : f.parts("pool:")) {
    kv = std::max(kv, f.value("kv_peak", "pool:" + pool));
    if (const double w = f.value("waiting_mean", "pool:" + pool); std::isfinite(w)) waiting += w;
  }
  const double window = f.value("window_end") - f.value("window_start");
  const bool broken = !f.parts("fault:").empty() || !f.setting("serving.faults[0].at").empty();
  s.answer = broken ? html("KV caches fill to {} at most; {} requests are under way on average", strong(share_text(kv)),
                           brief(f.value("concurrency")))
                    : html("KV caches fill to {} at most; {} requests wait on average, and {} are under way",
                           strong(share_text(kv)), waiting > 0 && waiting < 0.1 ? "fewer than 0.1" : brief(waiting),
                           brief(f.value("concurrency")));
  s.note = fmt::format("Figures are of the window from {} to {}, {}.", f.shown("window_start"), f.shown("window_end"),
                       results::pretty(window, "s"));
  if (broken)
    s.note +=
        " Requests that wait are those in the queue of an instance that runs; who waits for one to come back is under "
        "way, and in no queue.";
  if (!marks.note.empty()) s.note += " " + marks.note;
  if (!marks.guides.empty()) s.sql.push_back(q.sql("rebalanced"));
  page.sections.push_back(std::move(s));
}

void add_keys(Page& page, const Facts& f) {
  const auto beside = [&](std::string_view what) {
    const std::optional<double> t = target(f, what);
    return t ? "target " + results::pretty(*t, "s") : std::string();
  };
  add_key(page, f, "First token, p90", "ttft_p90", beside("ttft"));
  add_key(page, f, "Further token, p90", "tpot_p90", beside("tpot"));
  add_key(page, f, "A GPU, in and out", "tokens_per_gpu_second", "");
  add_key(page, f, "A million generated tokens", "cost_per_million_output_tokens", "");
  const bool aimed = std::ranges::any_of(kLatencies, [&](const auto& l) { return !targets(f, l.first).empty(); });
  if (page.keys.size() < 4 && aimed) add_key(page, f, "Within the targets", "goodput_share", "of requests");
  if (page.keys.size() < 4) add_key(page, f, "Requests under way", "concurrency", "on average");
}
}  // namespace

Page serving_page(const Facts& f, const results::Database& db) {
  const Queries q = Queries::of(db, "serving");
  std::vector<std::string> pools = f.parts("pool:");
  for (std::string& p : pools) p = "pool:" + p;
  Page page = begun_page(f, q, pools);
  std::string rate = fmt::format("{} requests/s", brief(f.value("request_throughput")));
  page.headline =
      html("{} x {} serve {}: {} generated tokens/s a GPU, {} tokens/s a user{}", brief(f.value("gpus")), gpu_name(f),
           strong(rate), brief(f.value("output_tokens_per_gpu_second")), brief(f.value("tokens_per_user_second")),
           f.has("cost_per_hour") ? fmt::format(", for {} USD an hour", brief(f.value("cost_per_hour"))) : "");
  add_keys(page, f);
  add_published(page, f, q);
  add_latency(page, f, q);
  add_over_time(page, f, q);
  add_limits(page, f, q);
  add_step_parts(page, q);
  add_pool_memory(page, f, q);
  add_layers(page, q);
  add_pools(page, q);
  add_events(page, f, q);
  add_timeline(page, f);
  return page;
}
}  // namespace moesim::pages
