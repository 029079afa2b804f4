// An explanation as tables and as JSON.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "cli/explaining/explain_input.h"
#include "core/words.h"
#include "formats/json.h"
#include "results/summary.h"

namespace moesim::cli {
namespace {
std::string origin(const compute::Provenance& p) {
  std::string out(name_of(p.origin));
  if (p.origin == compute::Origin::extrapolated)
    out += p.beyond < 99.5F ? fmt::format(" {:.2g}x", p.beyond) : fmt::format(" {:.0f}x", p.beyond);
  if (p.lender != compute::Lender::none) out += fmt::format(", as {}", name_of(p.lender));
  return p.borrowed ? out + ", borrowed" : out;
}

std::string_view short_name(compute::Pass pass) {
  return pass == compute::Pass::forward ? "forward" : pass == compute::Pass::backward_input ? "backward" : "weights";
}

std::string precisions(const compute::Precisions& p) {
  std::string out = fmt::format("linear layers {}", name_of(p.linear));
  if (p.linear_weights) out += fmt::format(" of {} weights", name_of(*p.linear_weights));
  if (p.of_projections() != p.linear || p.projection_weights != p.linear_weights) {
    out += fmt::format(", attention projections {}", name_of(p.of_projections()));
    if (p.projection_weights) out += fmt::format(" of {} weights", name_of(*p.projection_weights));
  }
  if (p.of_experts() != p.linear || p.expert_weights) out += fmt::format(", experts {}", name_of(p.of_experts()));
  if (p.expert_weights) out += fmt::format(" of {} weights", name_of(*p.expert_weights));
  return out + fmt::format(", attention {}, cache {}", name_of(p.attention), name_of(p.kv_cache));
}

std::string sequences(const compute::ExplainRequest& r) {
  const bool decode = r.phase == compute::StepPhase::decode;
  const auto of = [&](std::int64_t count, std::int64_t tokens, std::int64_t context) {
    return fmt::format("{} of {}{}", counted(count, "sequence"), counted(tokens, decode ? "new token" : "token"),
                       context > 0 || decode ? fmt::format(" after {} cached", context) : "");
  };
  if (r.lengths.empty()) return of(r.sequences, r.tokens, r.context);
  std::string out;
  for (const compute::SequenceGroup& g : r.lengths)
    out += (out.empty() ? "" : ", ") + (decode ? of(g.count, r.tokens, g.length) : of(g.count, g.length, r.context));
  return out;
}

/// Of a layer with entries of several tokens beside a window.
std::string entries_text(const spec::LayerAttention& a, const spec::Model& model) {
  const std::string entries = fmt::format("one entry for {} tokens", a.entry);
  return fmt::format("; this layer attends to a window of {} and {}", a.window,
                     a.index == spec::IndexUse::own
                         ? fmt::format("{} that an indexer picks, {}", model.attention.indexer->top_k, entries)
                         : entries);
}

std::string looks_back(const spec::KeysRead& reads) {
  switch (reads.span) {
    case spec::KeysRead::Span::all:
      return "";
    case spec::KeysRead::Span::sliding:
      return fmt::format("; this layer looks back on {} tokens", reads.width);
    case spec::KeysRead::Span::picked:
      return fmt::format("; this layer attends to the {} that an indexer picks", reads.width);
    case spec::KeysRead::Span::chunk:
      return fmt::format("; this layer looks back on {} at most, its chunk", reads.width);
  }
  return "";
}

std::string heading(const ExplainSubject& s, const compute::Explanation& e) {
  const compute::ExplainRequest& r = s.request;
  std::string out = fmt::format("{}, layer {} of {}, {} on {}\n", r.model.title, e.layer, r.model.layers,
                                name_of(r.phase), s.gpu.title);
  const spec::LayerAttention attention = spec::layer_shape(r.model, e.layer).attention;
  out += fmt::format("  tokens: {}{}{}{}\n", sequences(r), r.causal ? "" : ", each attending to all",
                     r.parts > 1 ? fmt::format(", in {} parts: {} here", r.parts, e.batch.tokens) : "",
                     attention.entry > 0 ? entries_text(attention, r.model) : looks_back(e.reads));
  if (!e.rows.empty())
    out += fmt::format("  experts: {} here, {} rows spread evenly: {} tokens x top-{}{}\n", e.rows.size(),
                       std::accumulate(e.rows.begin(), e.rows.end(), std::int64_t{0}), e.batch.tokens,
                       r.model.moe->rows_a_token(),
                       r.expert_parallel > 1 ? fmt::format(" from each of {} GPUs", r.expert_parallel) : "");
  out += fmt::format("  numbers: {}\n", precisions(r.options.precision));
  out += fmt::format("  kernel times: {}; on {} of {} SMs{}\n", s.kernels->source(),
                     r.share.sms > 0 ? r.share.sms : s.gpu.sms, s.gpu.sms,
                     r.beside.empty() ? "" : fmt::format(", beside {} on the others", r.beside));
  if (s.exchange_sms > 0 && r.share.sms == 0)
    out += fmt::format("  beside exchanges, which take {} SMs, these take as long as with --sms {}\n", s.exchange_sms,
                       s.gpu.sms - s.exchange_sms);
  return out;
}

/// FLOPs, bytes and time of some operations.
struct Sums {
  double flops = 0, bytes = 0;
  Time time{};
  void add(const compute::ExplainedOperation& o) {
    flops += o.operation.flops.v, bytes += double(o.operation.bytes.v), time += o.cost.time;
  }
};

/// The cells of GFLOP, MB, us, share, TFLOP/s and TB/s.
std::vector<std::string> cells(const Sums& s, Time total) {
  const double time = seconds(s.time);
  return {s.flops > 0 ? fmt::format("{:.3f}", s.flops * 1e-9) : "",
          s.bytes > 0 ? fmt::format("{:.3f}", s.bytes * 1e-6) : "",
          fmt::format("{:.2f}", time * 1e6),
          fmt::format("{:.1f} %", 100 * (s.time / total)),
          s.flops > 0 ? fmt::format("{:.0f}", s.flops / time * 1e-12) : "",
          s.bytes > 0 ? fmt::format("{:.2f}", s.bytes / time * 1e-12) : ""};
}

std::string pass_text(const ExplainSubject& s, const compute::Explanation& e) {
  const double tokens = double(e.batch.tokens);
  return fmt::format("{} on {}: {}, {} a token, {} of traffic, {} without exchanges\n", counted(e.pass.layers, "layer"),
                     s.memory.empty() ? "the GPU, embedding and head with them" : "this stage's GPU",
                     results::pretty(e.pass.flops.v, "FLOP"), results::pretty(e.pass.flops.v / tokens, "FLOP"),
                     results::pretty(double(e.pass.bytes.v), "B"), results::pretty(seconds(e.pass.time), "s"));
}

std::string operations_text(const compute::Explanation& e) {
  results::TextTable table(
      {"pass", "part", "operation", "GFLOP", "MB", "us", "share", "TFLOP/s", "TB/s", "from", "kernel"}, 3);
  const auto line = [&](std::string_view pass, std::string_view part, std::string_view name, const Sums& s,
                        const std::string& from, const std::string& kernel) {
    std::vector<std::string> row{std::string(pass), std::string(part), std::string(name)};
    for (std::string& cell : cells(s, e.total)) row.push_back(std::move(cell));
    row.push_back(from);
    row.push_back(kernel);
    table.add(std::move(row));
  };
  Sums all;
  std::vector<std::pair<compute::LayerPart, Sums>> parts;
  for (const compute::ExplainedOperation& o : e.operations) {
    Sums one;
    one.add(o), all.add(o);
    if (parts.empty() ||
        std::ranges::find(parts, o.operation.part, &std::pair<compute::LayerPart, Sums>::first) == parts.end())
      parts.emplace_back(o.operation.part, Sums{});
    std::ranges::find(parts, o.operation.part, &std::pair<compute::LayerPart, Sums>::first)->second.add(o);
    line(short_name(o.operation.pass), name_of(o.operation.part), o.operation.name, one, origin(o.cost.from),
         compute::describe(o.operation.kernel) + (o.operation.recomputed ? " (again)" : ""));
  }
  table.add({});
  for (const auto& [part, sum] : parts) line("sum", name_of(part), "", sum, "", "");
  line("sum", "all", "one after the other", all, "", "");
  return table.text();
}

/// The six parts of training's memory, as Megatron-LM's report has them, and the items that each is the sum of.
struct Bucket {
  std::string_view name;
  std::vector<std::string_view> items;
};
const std::vector<Bucket>& buckets() {
  static const std::vector<Bucket> table = {{"parameters", {"weights"}},
                                            {"gradients", {"gradients"}},
                                            {"optimizer", {"master weights", "optimizer moments"}},
                                            {"activations", {"activations"}},
                                            {"communication", {"communication buffers"}},
                                            {"workspace", {"workspace"}}};
  return table;
}
Bytes in_bucket(const compute::MemoryUse& use, const Bucket& bucket) {
  Bytes sum{};
  for (const compute::MemoryItem& i : use.items)
    if (std::ranges::find(bucket.items, i.name) != bucket.items.end()) sum += i.bytes;
  return sum;
}

/// Neighbours that hold the same are one line.
std::string stages_text(const ExplainSubject& s) {
  if (s.stages.empty()) return "";
  std::vector<std::string> head{"memory by stage"};
  for (const Bucket& bucket : buckets()) head.emplace_back(bucket.name);
  head.emplace_back("sum");
  results::TextTable table(head);
  const auto cells = [&](std::size_t stage) {
    std::vector<std::string> out;
    for (const Bucket& bucket : buckets())
      out.push_back(results::pretty(double(in_bucket(s.stages[stage], bucket).v), "B"));
    out.push_back(results::pretty(double(s.stages[stage].total().v), "B"));
    return out;
  };
  for (std::size_t first = 0, last = 0; first < s.stages.size(); first = last + 1) {
    for (last = first; last + 1 < s.stages.size() && cells(last + 1) == cells(first);) ++last;
    std::vector<std::string> line = cells(first);
    line.insert(line.begin(), first == last ? fmt::format("{}", first) : fmt::format("{} to {}", first, last));
    table.add(std::move(line));
  }
  return "\n" + table.text();
}

std::string memory_text(const ExplainSubject& s, const compute::Explanation& e) {
  results::TextTable table(
      {s.memory.empty() ? "memory of the GPU" : fmt::format("memory of a GPU, {}", s.memory), "size"});
  for (const compute::MemoryItem& i : e.memory.items) {
    table.add({i.name, results::pretty(double(i.bytes.v), "B")});
    if (i.name == "activations")
      for (const compute::MemoryItem& a : e.activations)
        if (a.bytes.v > 0) table.add({"  " + a.name, results::pretty(double(a.bytes.v), "B")});
  }
  const Bytes total = e.memory.total();
  table.add({"sum", results::pretty(double(total.v), "B")});
  std::string out = table.text();
  out += fmt::format("  of {} usable{}\n", results::pretty(double(s.gpu.usable().v), "B"),
                     total > s.gpu.usable() ? fmt::format(": does not fit, {} too much",
                                                          results::pretty(double((total - s.gpu.usable()).v), "B"))
                                            : "");
  if (e.layer_activations.empty()) return out;
  results::TextTable kept({"kept by one micro-batch in this layer", "size", "needed by"});
  for (const compute::MemoryItem& a : e.layer_activations)
    kept.add({a.name, results::pretty(double(a.bytes.v), "B"), std::string(a.needed_by)});
  kept.add({"sum", results::pretty(double(compute::sum_of(e.layer_activations).v), "B"), ""});
  return out + "\n" + kept.text();
}
}  // namespace

std::string explanation_text(const ExplainSubject& s, const compute::Explanation& e, bool settings) {
  const std::string tables =
      heading(s, e) + "\n" + operations_text(e) + pass_text(s, e) + "\n" + memory_text(s, e) + stages_text(s);
  if (s.resolved.empty()) return tables;
  const auto count = std::int64_t(std::ranges::count(s.resolved, '\n'));
  return tables + (settings ? "\nsettings in force\n" + s.resolved
                            : fmt::format("\n{} in force: --settings prints them\n", counted(count, "setting")));
}

std::string explanation_json(const ExplainSubject& s, const compute::Explanation& e) {
  formats::Json out{{"model", s.request.model.name},
                    {"gpu", s.gpu.name},
                    {"layer", e.layer},
                    {"phase", name_of(s.request.phase)},
                    {"source", s.kernels->source()},
                    {"time", seconds(e.total)}};
  for (const auto& [o, cost] : e.operations)
    out["operations"].push_back({{"name", o.name},
                                 {"part", name_of(o.part)},
                                 {"pass", name_of(o.pass)},
                                 {"recomputed", o.recomputed},
                                 {"kernel", compute::describe(o.kernel)},
                                 {"flops", o.flops.v},
                                 {"useful_flops", o.useful.v},
                                 {"bytes", o.bytes.v},
                                 {"weights", o.weights.v},
                                 {"time", seconds(cost.time)},
                                 {"share", cost.time / e.total},
                                 {"origin", name_of(cost.from.origin)},
                                 {"beyond", cost.from.beyond},
                                 {"borrowed", cost.from.borrowed},
                                 {"lender", name_of(cost.from.lender)}});
  out["pass"] = {{"layers", e.pass.layers},         {"tokens", e.batch.tokens}, {"flops", e.pass.flops.v},
                 {"useful_flops", e.pass.useful.v}, {"bytes", e.pass.bytes.v},  {"time", seconds(e.pass.time)}};
  for (const compute::MemoryItem& i : e.memory.items) out["memory"][i.name] = i.bytes.v;
  out["memory_total"] = e.memory.total().v;
  for (const compute::MemoryUse& use : s.stages) {
    formats::Json stage;
    for (const Bucket& bucket : buckets()) stage[bucket.name] = in_bucket(use, bucket).v;
    out["stages"].push_back(stage);
  }
  for (const compute::MemoryItem& i : e.activations) out["activations"][i.name] = i.bytes.v;
  for (const compute::MemoryItem& i : e.layer_activations)
    out["layer_activations"].push_back({{"name", i.name}, {"bytes", i.bytes.v}, {"needed_by", i.needed_by}});
  return formats::json_text(out, 2) + "\n";
}
}  // namespace moesim::cli
