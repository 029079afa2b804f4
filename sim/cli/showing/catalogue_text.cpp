#include "cli/showing/catalogue_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <vector>

#include "core/paths.h"
#include "results/summary.h"
#include "spec/count.h"
#include "spec/layer_shape.h"
#include "spec/release/release_entry.h"
#include "spec/release/totals.h"

namespace moesim::cli {
namespace {
constexpr std::array<std::string_view, 4> kOrder = {"gpu", "node", "fabric", "cluster"};
std::size_t rank_of(const HardwareEntry& entry) {
  return std::size_t(std::ranges::find(kOrder, entry.type) - kOrder.begin());
}
std::string summary_of(const std::string& name, const std::string& type, const std::string& file) {
  if (type == "gpu") return summary(spec::load_gpu(name));
  if (type == "node") return summary(spec::load_node(name));
  if (type == "fabric") return summary(spec::load_fabric(name));
  if (type == "cluster") return summary(spec::load_cluster(name));
  const Config config = Config::load(file);
  return config.has("title") ? config.at("title").text() : "";
}
std::string heads_text(const spec::AttentionShape& a) {
  switch (a.kind) {
    case spec::AttentionKind::mha:
    case spec::AttentionKind::gqa:
    case spec::AttentionKind::block_sparse:
      return fmt::format("{}, {} heads of {}, {} KV heads", name_of(a.kind), a.heads, a.head_dim, a.kv_heads);
    case spec::AttentionKind::mla:
    case spec::AttentionKind::dsa:
      return fmt::format(
          "{}, {} heads of {} + {}, latent {} + {}{}", name_of(a.kind), a.heads, a.qk_nope_head_dim, a.qk_rope_head_dim,
          a.kv_lora_rank, a.qk_rope_head_dim,
          a.q_lora_rank > 0 ? fmt::format(", query latent {}", a.q_lora_rank) : ", queries not compressed");
    case spec::AttentionKind::factored:
      return fmt::format("{}, {} heads of {} on one key, query latent {}", name_of(a.kind), a.heads, a.head_dim,
                         a.q_lora_rank);
    case spec::AttentionKind::compressed:
      return fmt::format("{}, {} heads of {} on one key, query latent {}, window {}", name_of(a.kind), a.heads,
                         a.head_dim, a.q_lora_rank, a.compressed->window);
    case spec::AttentionKind::gated_delta:  // beside another kind, in layers of its own
    case spec::AttentionKind::mamba2:
    case spec::AttentionKind::kimi_delta:
    case spec::AttentionKind::windowed:
    case spec::AttentionKind::none:
      break;
  }
  return "";
}
}  // namespace

std::string short_count(double n) {
  if (n >= 1e12) return fmt::format("{:.3f} T", n / 1e12);
  if (n >= 1e9) return fmt::format("{:.2f} B", n / 1e9);
  if (n >= 1e6) return fmt::format("{:.2f} M", n / 1e6);
  return fmt::format("{:.0f}", n);
}
std::string long_count(std::int64_t n) { return results::pretty(double(n), ""); }

std::string attention_text(const spec::Model& m) {
  const spec::AttentionShape& a = m.attention;
  std::string out = heads_text(a);
  if (a.indexer)
    out += fmt::format(", over {} {} that an indexer of {} heads of {} picks on {} layers", a.indexer->top_k,
                       a.compressed ? "entries" : "tokens", a.indexer->heads, a.indexer->head_dim,
                       spec::layers_with_indexer(m));
  if (a.blocks)
    out += fmt::format(", over {} blocks of {} tokens that an indexer of {} heads of {} picks on {} layers",
                       a.blocks->blocks, a.blocks->block, a.blocks->heads, a.blocks->head_dim,
                       spec::layers_with_indexer(m));
  if (const int layers = spec::windowed_layers(m); layers > 0) {
    const spec::KeysRead reads = spec::windowed_read(m);
    out += fmt::format(", {} of {} tokens on {} layers",
                       reads.span == spec::KeysRead::Span::chunk ? "chunks" : "window", reads.width, layers);
    if (a.window_heads)
      out += fmt::format(" with {}{}", heads_text(spec::heads_of(a, spec::AttentionKind::windowed)),
                         a.window_heads->sinks && !a.sinks ? " and sinks" : "");
  }
  for (const auto& [has, text] : {std::pair{a.qkv_bias, "QKV bias"},
                                  {a.o_bias, "output bias"},
                                  {a.qk_norm, a.qk_norm_whole ? "QK norm over all heads" : "QK norm"},
                                  {a.sinks, "sinks"}})
    if (has) out += fmt::format(", {}", text);
  if (a.output_gate) out += ", gated output";
  if (a.head_gate) out += ", a gate a head";
  if (a.keys_are_values) out += ", keys are the values";
  if (m.delta)
    out += fmt::format("; {} layers of {}, {} x {} heads of {} / {}", m.delta->layers.size(),
                       name_of(spec::AttentionKind::gated_delta), m.delta->key_heads, m.delta->value_heads,
                       m.delta->key_dim, m.delta->value_dim);
  if (m.kimi)
    out += fmt::format("; {} layers of {}, {} heads of {}", m.kimi->layers.size(),
                       name_of(spec::AttentionKind::kimi_delta), m.kimi->heads, m.kimi->dim);
  if (m.mamba)
    out += fmt::format("; {} layers of {}, {} heads of {} x {} in {} groups", m.mamba->layers.size(),
                       name_of(spec::AttentionKind::mamba2), m.mamba->heads, m.mamba->head_dim, m.mamba->state,
                       m.mamba->groups);
  return out;
}

std::string gate_text(const spec::MoeShape& s) {
  std::string out = fmt::format("{} of {} experts, {}, {}", s.top_k, s.experts, name_of(s.score), name_of(s.selection));
  if (s.groups > 1) out += fmt::format(" in {} of {} groups", s.groups_used, s.groups);
  if (s.selection_bias) out += ", selection bias";
  if (s.normalise) out += ", weights sum to 1";
  if (s.scale != 1) out += fmt::format(", times {}", s.scale);
  if (s.idle_experts > 0)
    out += fmt::format(", {} more outputs that compute nothing: {} experts compute on average", s.idle_experts,
                       s.rows_a_token());
  return out;
}

namespace {
/// Of a release that is counted and not run.
std::string release_summary(const spec::Model& m) {
  const std::optional<spec::Release> r = spec::release_of_entry(catalogue_file("models", m.name, "model"));
  if (!r) return fmt::format("{}: {}", m.title, m.unsupported);
  const spec::ReleaseTotals t = spec::count_release(*r);
  const std::string experts =
      r->experts ? fmt::format("{} experts, {} a token", r->experts->experts, r->experts->top_k) : "dense";
  std::vector<std::string> kinds;
  for (const spec::LayerCount& kind : spec::layer_kinds(*r))
    kinds.push_back(fmt::format("{} {}", kind.layers, kind.kind));
  return fmt::format("{}: {}, {} active, {}; counted, not run: {}", m.title, short_count(double(t.total)),
                     short_count(double(t.active)), experts, fmt::join(kinds, ", "));
}
}  // namespace

std::string summary(const spec::Model& m) {
  if (!m.unpublished.empty()) return fmt::format("{}: structure not published", m.title);
  if (!m.can_run()) return release_summary(m);
  const spec::Parameters p = spec::count_parameters(m);
  const std::string experts =
      m.moe ? fmt::format("{} experts, {} a token{}", m.moe->experts, m.moe->top_k,
                          m.moe->shared_experts > 0 ? fmt::format(" + {} shared", m.moe->shared_experts) : "")
            : "dense";
  return fmt::format("{}: {}, {} active, {}, {}", m.title, short_count(double(p.total())),
                     short_count(double(p.active)), experts, name_of(m.attention.kind));
}
std::string summary(const spec::Gpu& g) {
  return fmt::format("{}: {}, {}, {} BF16, NVLink {} each way, {}", g.title, results::pretty(double(g.memory.v), "B"),
                     results::pretty(g.memory_bandwidth.v, "B/s"), results::pretty(g.bf16.v, "FLOP/s"),
                     results::pretty(g.nvlink.v, "B/s"), to_text(g.price));
}
std::string summary(const spec::Node& n) {
  return fmt::format("{}: {} x {}, {} x {:.0f} Gbps adapters", n.title, n.gpus, n.gpu.name, n.nics, n.nic.v * 8 / 1e9);
}
std::string summary(const spec::Fabric& f) {
  return fmt::format("{}: {}-port switches, {} / {} latency", f.title, f.switch_ports, to_text(f.same_leaf_latency),
                     to_text(f.cross_leaf_latency));
}
std::string summary(const spec::Cluster& c) {
  return fmt::format("{}: {} x {} on {}", c.title, c.nodes, c.node.name, c.fabric.name);
}

std::vector<HardwareEntry> hardware_entries() {
  std::vector<HardwareEntry> out;
  for (const std::string& name : catalogue_names("hardware")) {
    const std::string file = catalogue_file("hardware", name, "hardware");
    const std::string type = spec::hardware_type(file);
    out.push_back({name, type, summary_of(name, type, file)});
  }
  std::ranges::stable_sort(out, {}, rank_of);
  return out;
}
}  // namespace moesim::cli
