// moesim show A B C: models side by side.
#include <fmt/format.h>

#include "cli/show.h"
#include "cli/showing/catalogue_text.h"
#include "core/ceil_div.h"
#include "formats/json.h"
#include "results/summary.h"
#include "spec/catalogue.h"

namespace moesim::cli {
namespace {
constexpr spec::Dtype kDtypes[] = {spec::Dtype::bf16, spec::Dtype::fp8, spec::Dtype::fp4};

std::int64_t users(const spec::Gpu& gpu, Bytes cache) { return gpu.usable().v / cache.v; }
std::int64_t gpus_for(const spec::Gpu& gpu, Bytes weights) { return ceil_div(weights.v, gpu.usable().v); }
std::string bytes_text(Bytes b) { return results::pretty(double(b.v), "B"); }

std::string sizes(const std::vector<spec::Model>& models) {
  results::TextTable table(
      {"parameters", "all", "active", "share", "experts", "top-k", "shared", "MoE layers", "expert"});
  for (const spec::Model& m : models) {
    if (!m.unpublished.empty()) {
      table.add({m.name, "-", "-", "-", "-", "-", "-", "-", "-"});
      continue;
    }
    const spec::Parameters p = spec::count_parameters(m);
    std::vector<std::string> row = {m.name, short_count(double(p.total())), short_count(double(p.active)),
                                    fmt::format("{:.1f} %", 100 * double(p.active) / double(p.total()))};
    if (m.moe)
      for (const std::string& cell :
           {fmt::to_string(m.moe->experts), fmt::to_string(m.moe->top_k), fmt::to_string(m.moe->shared_experts),
            fmt::format("{} of {}", m.moe_layers().size(), m.layers), short_count(double(spec::expert_parameters(m)))})
        row.push_back(cell);
    else
      row.insert(row.end(), {"-", "-", "-", fmt::format("0 of {}", m.layers), "-"});
    table.add(row);
  }
  return table.text();
}

/// What any model's attention could be instead, with a cache of its own for each token.
constexpr spec::AttentionKind kCompared[] = {spec::AttentionKind::mha, spec::AttentionKind::gqa,
                                             spec::AttentionKind::mla};

std::string caches(const std::vector<spec::Model>& models, const ShowOptions& o, const spec::Gpu& gpu) {
  results::TextTable table({"KV cache", "kind", "a token", "one user", "users", "with MHA", "users", "with GQA",
                            "users", "with MLA", "users"});
  for (const spec::Model& m : models) {
    if (!m.unpublished.empty()) continue;
    const Bytes own = spec::cache_bytes(m, o.context, o.format);
    std::vector<std::string> row = {m.name, std::string(name_of(m.attention.kind)),
                                    bytes_text(spec::cache_bytes_per_token(m, o.format)), bytes_text(own),
                                    long_count(users(gpu, own))};
    for (const spec::AttentionKind kind : kCompared) {
      const Bytes other = spec::cache_bytes_as(m, kind, o.context, o.format);
      row.push_back(bytes_text(other));
      row.push_back(long_count(users(gpu, other)));
    }
    table.add(row);
  }
  return table.text() +
         fmt::format(
             "  one user: {} tokens in {}; users: how many such caches the {} of one {} hold, weights apart;\n"
             "  with MHA: a key and a value for each of its heads; with GQA: for 8; with MLA: latent 512 + 64\n",
             long_count(o.context), name_of(o.format), results::pretty(double(gpu.usable().v), "B"), gpu.name);
}

std::string weights(const std::vector<spec::Model>& models, const ShowOptions& o, const spec::Gpu& gpu) {
  results::TextTable table({"weights", "BF16", "GPUs", "FP8", "GPUs", "FP4", "GPUs", "released", "read a token"});
  for (const spec::Model& m : models) {
    if (!m.unpublished.empty()) continue;
    std::vector<std::string> row = {m.name};
    for (const spec::Dtype dtype : kDtypes) {
      const Bytes bytes = spec::weight_bytes(m, spec::Storage{dtype, {}, {}});
      row.push_back(bytes_text(bytes));
      row.push_back(long_count(gpus_for(gpu, bytes)));
    }
    const spec::Storage released = spec::released_storage(m);
    row.push_back(fmt::format("{} {}", bytes_text(spec::weight_bytes(m, released)), spec::storage_text(released)));
    row.push_back(results::pretty(spec::weight_bytes_read(m, released, o.batch) / o.batch, "B"));
    table.add(row);
  }
  return table.text() +
         fmt::format(
             "  GPUs: fewest {} whose {} hold the weights alone; FP8: 128 x 128 blocks, FP4: blocks of 32, both\n"
             "  with embedding, head, gates and norms in BF16; read a token: decoding {} token{} a step\n",
             gpu.name, results::pretty(double(gpu.usable().v), "B"), o.batch, o.batch > 1 ? "s" : "");
}

formats::Json json_of(const spec::Model& m, const ShowOptions& o, const spec::Gpu& gpu) {
  formats::Json out = formats::Json::parse(show_model(m, o));
  if (!m.unpublished.empty()) return out;
  const Bytes own = spec::cache_bytes(m, o.context, o.format);
  formats::Json& user = out["one_user"];
  user = {
      {"context", o.context}, {"kv_dtype", name_of(o.format)}, {"kv_bytes", own.v}, {"users_per_gpu", users(gpu, own)}};
  for (const spec::AttentionKind kind : kCompared) {
    const Bytes other = spec::cache_bytes_as(m, kind, o.context, o.format);
    user["with"][std::string(name_of(kind))] = {{"kv_bytes", other.v}, {"users_per_gpu", users(gpu, other)}};
  }
  for (const spec::Dtype dtype : kDtypes)
    out["gpus_for_weights"][std::string(name_of(dtype))] =
        gpus_for(gpu, spec::weight_bytes(m, spec::Storage{dtype, {}, {}}));
  return out;
}
}  // namespace

std::string show_models(const std::vector<spec::Model>& models, const ShowOptions& options) {
  const spec::Gpu gpu = spec::load_gpu(options.gpu);
  if (options.json) {
    formats::Json out = {{"gpu", gpu.name}, {"gpu_memory", gpu.usable().v}, {"models", formats::Json::array()}};
    for (const spec::Model& m : models) out["models"].push_back(json_of(m, options, gpu));
    return formats::json_text(out, 2) + "\n";
  }
  std::string out = sizes(models) + "\n" + caches(models, options, gpu) + "\n" + weights(models, options, gpu);
  for (const spec::Model& m : models)
    if (!m.unpublished.empty()) out += fmt::format("\n{}: not published: {}\n", m.name, m.unpublished);
  return out;
}
}  // namespace moesim::cli
