// moesim show MODEL: one model, everything that follows from its shape.
#include <fmt/format.h>

#include "cli/show.h"
#include "cli/showing/catalogue_text.h"
#include "formats/json.h"
#include "results/summary.h"
#include "spec/layer_shape.h"

namespace moesim::cli {
namespace {
struct PartLine {
  std::string_view name, key;
  std::int64_t all = 0, active = 0;
};
std::vector<PartLine> parts(const spec::Model& m) {
  const spec::Parameters p = spec::count_parameters(m);
  const auto routed = m.moe ? p.routed / m.moe->experts * m.moe->top_k : 0;
  return {{"embedding", "embedding", p.embedding, p.embedding},
          {"attention", "attention", p.attention, p.attention},
          {"dense FFN", "dense_ffn", p.dense, p.dense},
          {"routed experts", "routed_experts", p.routed, routed},
          {"shared experts", "shared_experts", p.shared, p.shared},
          {"gate", "gate", p.gate, p.gate},
          {"norms", "norms", p.norms, p.norms},
          {"LM head", "head", p.head, p.head}};
}

std::string percent(double part, double whole) { return fmt::format("{:.2f} %", 100 * part / whole); }

std::string parameters_text(const spec::Model& m) {
  const spec::Parameters p = spec::count_parameters(m);
  results::TextTable table({"parameters", "all", "share", "one token uses"});
  for (const PartLine& line : parts(m))
    if (line.all > 0)
      table.add({std::string(line.name), long_count(line.all), percent(double(line.all), double(p.total())),
                 long_count(line.active)});
  table.add({"total", long_count(p.total()), "100 %", long_count(p.active)});
  std::string out = table.text();
  out += fmt::format("  without the input embedding one token uses {} ({} of all)\n", long_count(p.active_no_embedding),
                     percent(double(p.active_no_embedding), double(p.total())));
  if (p.mtp > 0)
    out += fmt::format("  {} MTP layer{} more: {} of its own, {} as stored with copies of embedding and head\n",
                       m.mtp_layers, m.mtp_layers > 1 ? "s" : "", long_count(p.mtp), long_count(p.mtp_stored));
  const std::int64_t stored = p.stored() - (m.published.stored_has_scales ? 0 : p.fp8_scales);
  out +=
      fmt::format("  released files hold {}{}{}\n", long_count(stored),
                  p.fp8_scales > 0 && m.published.stored_has_scales
                      ? fmt::format(", {} FP8 scales among them", long_count(p.fp8_scales))
                      : "",
                  m.published.stored == 0        ? ""
                  : m.published.stored == stored ? "; the hub counts the same"
                                                 : fmt::format("; the hub counts {}", long_count(m.published.stored)));
  if (!m.published.total.empty())
    out += fmt::format("  published: {} in all, {} active\n", m.published.total, m.published.active);
  return out;
}

std::string shape_text(const spec::Model& m) {
  std::string out = fmt::format("layers     {} of width {}", m.layers, long_count(m.hidden));
  const std::size_t moe = m.moe_layers().size();
  if (m.halved())
    out += fmt::format(", halves of others: {} experts alone, {} that attend, {} of {}", moe, spec::caching_layers(m),
                       m.mamba ? m.mamba->layers.size() : 0, name_of(spec::AttentionKind::mamba2));
  else if (m.moe && int(moe) < m.layers)
    out += fmt::format(": {} MoE, {} dense of FFN width {}", moe, m.layers - int(moe), long_count(m.dense_width));
  else if (m.moe)
    out += ", all MoE";
  else
    out += fmt::format(", FFN width {}", long_count(m.dense_width));
  out += fmt::format("\nattention  {}\n", attention_text(m));
  if (m.moe) {
    out += fmt::format("gate       {}\n", gate_text(*m.moe));
    out += fmt::format(
        "experts    width {}, {} parameters each{}\n", long_count(m.moe->expert_width),
        long_count(spec::expert_parameters(m)),
        m.moe->shared_experts > 0 ? fmt::format("; shared width {}", long_count(m.moe->shared_total())) : "");
    if (m.moe->latent_width > 0)
      out += fmt::format("           of tokens mapped to {} of their {} columns\n", long_count(m.moe->latent_width),
                         long_count(m.hidden));
  }
  return out + fmt::format("vocabulary {}, positions {}\n", long_count(m.vocabulary), long_count(m.max_positions));
}

std::string costs_text(const spec::Model& m, const ShowOptions& o) {
  const spec::Storage released = spec::released_storage(m);
  const double read = spec::weight_bytes_read(m, released, o.batch);
  results::TextTable table({"one token", "", ""});
  for (const auto& [name, format] : enum_names(spec::CacheFormat{})) {
    if (format == spec::CacheFormat::fp8_mla && !spec::caches_latent(m)) continue;
    const Bytes bytes = spec::cache_bytes_per_token(m, format);
    table.add(
        {fmt::format("KV cache, {}", name), long_count(bytes.v) + " B",
         fmt::format("{} B a layer{}; {} for {} tokens", long_count(spec::cache_bytes_per_layer(m, format).v),
                     spec::layers_with_indexer(m) > 0
                         ? fmt::format(" and {} B of indexers", long_count(spec::index_bytes_per_token(m).v))
                         : "",
                     results::pretty(double(spec::cache_bytes(m, o.context, format).v), "B"), long_count(o.context))});
  }
  const std::string at = fmt::format("{} tokens", long_count(o.context));
  table.add({"training", results::pretty(spec::training_flops(m, o.context, true).v, "FLOP"),
             fmt::format("sequences of {}, causal; {} counting the whole square", at,
                         results::pretty(spec::training_flops(m, o.context, false).v, "FLOP"))});
  table.add({"prefill", results::pretty(spec::prefill_flops(m, o.context).v, "FLOP"),
             fmt::format("mean over a prompt of {}", at)});
  table.add({"decode", results::pretty(spec::decode_flops(m, o.context).v, "FLOP"),
             fmt::format("at a context of {}{}", at, spec::caches_latent(m) ? ", in latent space" : "")});
  table.add({"decode reads", results::pretty(read / o.batch, "B"),
             fmt::format("of weights as released ({}), {} token{} a step", spec::storage_text(released), o.batch,
                         o.batch > 1 ? "s" : "")});
  return table.text();
}

formats::Json storage_json(const spec::Model& m) {
  formats::Json out;
  for (const spec::Dtype dtype : {spec::Dtype::bf16, spec::Dtype::fp8, spec::Dtype::fp4})
    out[std::string(name_of(dtype))] = spec::weight_bytes(m, spec::Storage{dtype, {}, {}}).v;
  out["as_released"] = spec::weight_bytes(m, spec::released_storage(m)).v;
  out["released_files"] = spec::released_bytes(m).v;
  return out;
}

formats::Json shape_json(const spec::Model& m) {
  const spec::AttentionShape& a = m.attention;
  formats::Json out = {{"vocabulary", m.vocabulary},
                       {"hidden", m.hidden},
                       {"layers", m.layers},
                       {"moe_layers", m.moe_layers().size()},
                       {"dense_width", m.dense_width}};
  out["attention"] = {{"kind", name_of(a.kind)},
                      {"heads", a.heads},
                      {"kv_heads", a.kv_heads},
                      {"head_dim", a.head_dim},
                      {"v_head_dim", a.v_head_dim},
                      {"q_lora_rank", a.q_lora_rank},
                      {"kv_lora_rank", a.kv_lora_rank},
                      {"qk_rope_head_dim", a.qk_rope_head_dim},
                      {"sliding_window", a.sliding_window},
                      {"sliding_layers", spec::windowed_layers(m)}};
  if (a.indexer)
    out["attention"]["indexer"] = {{"heads", a.indexer->heads},
                                   {"head_dim", a.indexer->head_dim},
                                   {"top_k", a.indexer->top_k},
                                   {"layers", spec::layers_with_indexer(m)}};
  if (!m.moe) return out;
  const spec::MoeShape& s = *m.moe;
  out["gate"] = {{"experts", s.experts},
                 {"shared_experts", s.shared_experts},
                 {"top_k", s.top_k},
                 {"expert_width", s.expert_width},
                 {"score", name_of(s.score)},
                 {"selection", name_of(s.selection)},
                 {"groups", s.groups},
                 {"groups_used", s.groups_used},
                 {"normalise", s.normalise},
                 {"scale", s.scale},
                 {"selection_bias", s.selection_bias}};
  return out;
}

formats::Json json_of(const spec::Model& m, const ShowOptions& o) {
  formats::Json out = {{"name", m.name}, {"title", m.title}, {"family", m.family}};
  if (!m.unpublished.empty()) {
    out["unpublished"] = m.unpublished;
    return out;
  }
  const spec::Parameters p = spec::count_parameters(m);
  formats::Json& counts = out["parameters"];
  counts = {{"total", p.total()}, {"active", p.active}, {"active_without_embedding", p.active_no_embedding}};
  for (const PartLine& line : parts(m)) counts[std::string(line.key)] = line.all;
  counts["mtp"] = p.mtp;
  counts["mtp_stored"] = p.mtp_stored;
  counts["fp8_scales"] = p.fp8_scales;
  counts["stored"] = p.stored() - (m.published.stored_has_scales ? 0 : p.fp8_scales);
  counts["expert"] = spec::expert_parameters(m);
  counts["attention_per_layer"] = spec::attention_parameters(m);
  counts["gate_per_layer"] = spec::gate_parameters(m);
  out["published"] = {{"total", m.published.total}, {"active", m.published.active}, {"stored", m.published.stored}};
  out["shape"] = shape_json(m);
  for (const auto& [name, format] : enum_names(spec::CacheFormat{}))
    out["kv_bytes_per_token"][std::string(name)] = spec::cache_bytes_per_token(m, format).v;
  out["context"] = o.context;
  for (const auto& [name, format] : enum_names(spec::CacheFormat{}))
    out["kv_bytes"][std::string(name)] = spec::cache_bytes(m, o.context, format).v;
  out["flops_per_token"] = {{"training_causal", spec::training_flops(m, o.context, true).v},
                            {"training_noncausal", spec::training_flops(m, o.context, false).v},
                            {"prefill", spec::prefill_flops(m, o.context).v},
                            {"decode", spec::decode_flops(m, o.context).v}};
  out["weight_bytes"] = storage_json(m);
  out["batch"] = o.batch;
  out["weight_bytes_read_per_step"] = spec::weight_bytes_read(m, spec::released_storage(m), o.batch);
  out["weight_bytes_read_per_token"] = spec::weight_bytes_read(m, spec::released_storage(m), o.batch) / o.batch;
  return out;
}
}  // namespace

std::string show_model(const spec::Model& model, const ShowOptions& options) {
  if (options.json) return formats::json_text(json_of(model, options), 2) + "\n";
  std::string out = fmt::format("{} ({})\n", model.title, model.name);
  if (!model.unpublished.empty())
    return out + fmt::format("  not published: {}\n  so there is nothing to count\n", model.unpublished);
  out += "\n" + shape_text(model) + "\n" + parameters_text(model) + "\n" + costs_text(model, options);
  const spec::Storage released = spec::released_storage(model);
  out += fmt::format("\nweights    {} as released ({}), {} in BF16\n",
                     results::pretty(double(spec::weight_bytes(model, released).v), "B"), spec::storage_text(released),
                     results::pretty(double(spec::weight_bytes(model, spec::Storage{}).v), "B"));
  if (!model.weights_note.empty()) out += fmt::format("           {}\n", model.weights_note);
  if (!model.license.empty()) out += fmt::format("licence    {}\n", model.license);
  return out + fmt::format("source     {}\n", model.source);
}
}  // namespace moesim::cli
