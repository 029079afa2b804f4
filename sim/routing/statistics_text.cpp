#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "core/utf8.h"
#include "core/words.h"
#include "formats/json.h"
#include "results/text_table.h"
#include "routing/statistics.h"

namespace moesim::routing {
namespace {
/// A file's name need not be text: what is not is replaced.
std::string text_of(const formats::Json& json) { return formats::json_text(json, 2) + "\n"; }

/// "3-60" or "1, 3, 5".
std::string ranges(const std::vector<int>& numbers) {
  std::string out;
  for (std::size_t i = 0; i < numbers.size();) {
    std::size_t end = i + 1;
    while (end < numbers.size() && numbers[end] == numbers[end - 1] + 1) ++end;
    out += fmt::format("{}{}", out.empty() ? "" : ", ", numbers[i]);
    if (end - i > 1) out += fmt::format("-{}", numbers[end - 1]);
    i = end;
  }
  return out;
}

std::string router_text(const TraceHeader& h) {
  std::string out =
      fmt::format("{} ({}{}), {} experts, top-{}", counted(h.layers.size(), "MoE layer"), ranges(h.layers),
                  h.hidden_layers > 0 ? fmt::format(" of {}", h.hidden_layers) : "", h.experts, h.top_k);
  if (h.groups_used < h.groups) out += fmt::format(", {} of {} groups a token", h.groups_used, h.groups);
  return out;
}

struct Census {
  std::int64_t prefill = 0, decode = 0, absent = 0;
  std::set<std::int32_t> requests;
  std::vector<std::int64_t> domains;
};
Census census(const Trace& trace) {
  Census out;
  out.domains.resize(trace.header().domains.size());
  std::vector<TraceToken> tokens;
  constexpr std::int64_t piece = 1 << 16;
  for (std::int64_t at = 0; at < trace.tokens(); at += piece) {
    trace.read_tokens(at, std::min(piece, trace.tokens() - at), tokens);
    for (const TraceToken& t : tokens) {
      ++(t.phase == TracePhase::prefill ? out.prefill : out.decode);
      ++out.domains[t.domain];
      if (trace.header().requests) out.requests.insert(t.request);
    }
  }
  std::vector<std::int64_t> load(std::size_t(trace.header().experts));
  for (int m = 0; m < trace.layers(); ++m) {
    trace.load(m, 0, trace.tokens(), load);
    out.absent += trace.tokens() * trace.header().top_k;
    for (const std::int64_t n : load) out.absent -= n;
  }
  return out;
}

std::vector<std::pair<bool, std::string>> contents(const TraceHeader& h) {
  return {{h.weights, "gate weights"},
          {h.token_ids, "token ids"},
          {h.requests, "requests and positions"},
          {h.phases, "phases"},
          {!h.sampled, "affinity between layers"}};
}

/// What was published of systems like this; ours beside it.
struct Published {
  std::string figure;
  double ours;
  const char *published, *source;
  bool known;  // ours means something for this trace
};
std::vector<Published> published(const Trace& trace, const TraceStatistics& s) {
  const TraceHeader& h = trace.header();
  const bool ordered = !h.sampled && s.consecutive > 0;
  return {
      // Counts of DeepSeek-V3/R1 in SGLang, attached to its issue 6017: prefill and decode, 58 layers of 256 experts.
      {"hottest expert over the mean", s.mean(&LayerStatistics::max_over_mean), "5.6-8",
       "DeepSeek-V3/R1 serving, by layer", true},
      {"Gini coefficient of expert loads", s.mean(&LayerStatistics::gini), "0.33-0.45",
       "DeepSeek-V3/R1 serving, by layer", true},
      {fmt::format("mean over max GPU load, {} GPUs", s.group.gpus), s.mean(&LayerStatistics::balance), "0.38-0.51",
       "DeepSeek-V3/R1 serving, 256 experts on 32 GPUs", true},
      // Jiang et al., "Mixtral of Experts", 2024, section 5: layers 0, 15 and 31, arXiv text; 0.125 if uniform.
      {fmt::format("same first choice as the token before (uniform {:.3f})", 1.0 / h.experts),
       s.mean(&LayerStatistics::repetition), "0.14, 0.28, 0.23", "Mixtral 8x7B at layers 0, 15, 31 (uniform 0.125)",
       ordered},
      // Muennighoff et al., "OLMoE", 2024, routing analysis: 64 experts, top-8.
      {fmt::format("likeliest expert of the next layer (by chance {:.3f})",
                   s.mean(&LayerStatistics::affinity_by_chance)),
       s.mean(&LayerStatistics::affinity), "0.24-0.61", "OLMoE, web text to arXiv", !h.sampled && s.layers.size() > 1},
      {"correlation of loads between kinds of text", s.mean(&LayerStatistics::domain_correlation), "about 0", "OLMoE",
       s.domains > 1},
  };
}

std::vector<std::string> problems(const TraceStatistics& s) {
  std::vector<std::string> out;
  for (const LayerStatistics& l : s.layers) {
    if (l.collapsed)
      out.push_back(fmt::format("layer {} has collapsed: its load is spread as over {:.1f} experts, the hottest is {}",
                                l.layer, l.effective_experts, l.hottest));
    if (l.cold > 0) out.push_back(fmt::format("layer {}: no token chose {} of its experts", l.layer, l.cold));
  }
  return out;
}
}  // namespace

std::string info_text(const Trace& trace) {
  const TraceHeader& h = trace.header();
  const Census c = census(trace);
  std::string out;
  const auto line = [&](const char* key, const std::string& value) {
    out += fmt::format("{:<9}{}\n", key, one_line(value));
  };
  line("trace", trace.file());
  line("model", h.model.empty() ? "not known" : h.model);
  line("source", h.source);
  line("state", trace.complete() ? "complete" : "incomplete: the recording was interrupted");
  line("router", router_text(h));
  std::string tokens = fmt::format("{} in {}", trace.tokens(), counted(trace.passes(), "pass"));
  if (h.requests) tokens += " of " + counted(c.requests.size(), "request");
  if (h.phases) tokens += fmt::format(": {} prefill, {} decode", c.prefill, c.decode);
  line("tokens", tokens);
  if (h.domains.size() > 1 || !h.domains[0].empty()) {
    std::string domains;
    for (std::size_t d = 0; d < h.domains.size(); ++d)
      domains +=
          fmt::format("{}{} {}", d > 0 ? ", " : "", h.domains[d].empty() ? "(none)" : h.domains[d], c.domains[d]);
    line("domains", domains);
  }
  std::string has, lacks;
  for (const auto& [there, what] : contents(h))
    (there ? has : lacks) += ((there ? has : lacks).empty() ? "" : ", ") + what;
  line("has", has.empty() ? "expert ids only" : has);
  line("lacks", lacks.empty() ? "nothing" : lacks);
  if (c.absent > 0)
    line("gaps", fmt::format("{} of {} choices are absent", c.absent, trace.tokens() * h.top_k * trace.layers()));
  for (const std::string& note : h.notes) line("note", note);
  return out;
}

std::string info_json(const Trace& trace) {
  const TraceHeader& h = trace.header();
  const Census c = census(trace);
  formats::Json out;
  out["file"] = trace.file();
  out["model"] = h.model;
  out["source"] = h.source;
  out["complete"] = trace.complete();
  out["layers"] = h.layers;
  out["hidden_layers"] = h.hidden_layers;
  out["experts"] = h.experts;
  out["top_k"] = h.top_k;
  out["groups"] = h.groups;
  out["groups_used"] = h.groups_used;
  out["tokens"] = trace.tokens();
  out["passes"] = trace.passes();
  if (h.requests) out["requests"] = c.requests.size();
  if (h.phases) out["prefill_tokens"] = c.prefill, out["decode_tokens"] = c.decode;
  for (std::size_t d = 0; d < h.domains.size(); ++d) out["domains"][h.domains[d]] = c.domains[d];
  out["absent_choices"] = c.absent;
  for (const auto& [there, what] : contents(h)) out[there ? "has" : "lacks"].push_back(what);
  out["notes"] = h.notes;
  return text_of(out);
}

std::string statistics_text(const Trace& trace, const TraceStatistics& s) {
  const TraceHeader& h = trace.header();
  std::string out = fmt::format("{}: {}, {}; contiguous on {}, {} a node\n\n", trace.file(), router_text(h),
                                counted(s.tokens, "token"), counted(s.group.gpus, "GPU"), s.group.gpus_per_node);
  if (!trace.complete()) out.insert(out.size() - 1, "the trace is incomplete: its recording was interrupted\n");
  const bool ordered = !h.sampled && s.consecutive > 0;
  results::TextTable layers({"layer", "max/mean", "CV", "Gini", "top 10%", "hottest", "repeat", "next", "by chance",
                             "domains", "groups", "nodes", "GPUs", "mean/max"});
  const auto row = [&](const std::string& name, const std::string& hottest, const auto& of) {
    const auto figure = [&](double LayerStatistics::*member, int digits, bool known = true) {
      return known ? fmt::format("{:.{}f}", of(member), digits) : "-";
    };
    using L = LayerStatistics;
    const bool next = !h.sampled && of(&L::affinity) > 0;
    layers.add({name, figure(&L::max_over_mean, 2), figure(&L::variation, 2), figure(&L::gini, 2),
                figure(&L::top_share, 3), hottest, figure(&L::repetition, 3, ordered), figure(&L::affinity, 3, next),
                figure(&L::affinity_by_chance, 3, next), figure(&L::domain_correlation, 3, s.domains > 1),
                figure(&L::groups_per_token, 2), figure(&L::nodes_per_token, 2), figure(&L::gpus_per_token, 2),
                figure(&L::balance, 3)});
  };
  for (const LayerStatistics& l : s.layers)
    row(fmt::to_string(l.layer), fmt::to_string(l.hottest), [&](double LayerStatistics::*m) { return l.*m; });
  row("mean", "", [&](double LayerStatistics::*m) { return s.mean(m); });
  results::TextTable beside({"beside published figures", "here", "published", "of"});
  for (const Published& p : published(trace, s))
    beside.add({p.figure, p.known ? fmt::format("{:.3f}", p.ours) : "-", p.published, p.source});
  out += layers.text() + "\n" + beside.text();
  const std::vector<std::string> wrong = problems(s);
  if (!wrong.empty()) out += "\n";
  constexpr std::size_t most = 10;
  for (std::size_t i = 0; i < std::min(most, wrong.size()); ++i) out += wrong[i] + "\n";
  if (wrong.size() > most) out += fmt::format("and {} more like these\n", wrong.size() - most);
  return out;
}

std::string statistics_json(const Trace& trace, const TraceStatistics& s) {
  const TraceHeader& h = trace.header();
  using L = LayerStatistics;
  double imbalance = 0;
  for (const L& l : s.layers) imbalance += (1 / l.balance - 1) / double(s.layers.size());
  const bool ordered = !h.sampled && s.consecutive > 0;
  const auto known = [](bool there, double value) { return there ? formats::Json(value) : formats::Json(nullptr); };
  formats::Json out;
  out["file"] = trace.file();
  out["complete"] = trace.complete();
  out["tokens"] = s.tokens;
  out["gpus"] = s.group.gpus;
  out["gpus_per_node"] = s.group.gpus_per_node;
  out["balancedness"] = s.mean(&L::balance);
  out["imbalance"] = imbalance;
  out["expert_load_max_over_mean"] = s.mean(&L::max_over_mean);
  out["expert_load_gini"] = s.mean(&L::gini);
  out["expert_load_cv"] = s.mean(&L::variation);
  out["nodes_per_token"] = s.mean(&L::nodes_per_token);
  out["gpus_per_token"] = s.mean(&L::gpus_per_token);
  out["groups_per_token"] = s.mean(&L::groups_per_token);
  out["repetition"] = known(ordered, s.mean(&L::repetition));
  out["affinity"] = known(!h.sampled && s.layers.size() > 1, s.mean(&L::affinity));
  out["affinity_by_chance"] = known(!h.sampled && s.layers.size() > 1, s.mean(&L::affinity_by_chance));
  out["domain_correlation"] = known(s.domains > 1, s.mean(&L::domain_correlation));
  for (const L& l : s.layers)
    out["layers"][fmt::to_string(l.layer)] = {
        {"max_over_mean", l.max_over_mean},
        {"cv", l.variation},
        {"gini", l.gini},
        {"hottest", l.hottest},
        {"top_share", l.top_share},
        {"effective_experts", l.effective_experts},
        {"cold", l.cold},
        {"collapsed", l.collapsed},
        {"repetition", known(ordered, l.repetition)},
        {"affinity", known(!h.sampled && l.affinity > 0, l.affinity)},
        {"affinity_by_chance", known(!h.sampled && l.affinity > 0, l.affinity_by_chance)},
        {"domain_correlation", known(s.domains > 1, l.domain_correlation)},
        {"groups_per_token", l.groups_per_token},
        {"nodes_per_token", l.nodes_per_token},
        {"gpus_per_token", l.gpus_per_token},
        {"balancedness", l.balance}};
  for (const Published& p : published(trace, s))
    out["published"].push_back(
        {{"figure", p.figure}, {"here", known(p.known, p.ours)}, {"published", p.published}, {"of", p.source}});
  out["problems"] = problems(s);
  return text_of(out);
}
}  // namespace moesim::routing
