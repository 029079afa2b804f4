// Floating-point formats: modelopt, FP8 by blocks or tensors, MX, fbgemm.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "formats/json.h"
#include "spec/release/quantisation_methods.h"

namespace moesim::spec {
namespace {
/// weight_block_size of FP8: rows and columns.
WeightFormat fp8_by_blocks(const Keys& q, int scale_bits) {
  const std::vector<int> block = q.list("weight_block_size");
  if (block.size() != 2 || block[0] < 1 || block[1] < 1)
    q.fail("weight_block_size", fmt::format("expected rows and columns, got [{}]", fmt::join(block, ", ")));
  return fp8_blocks(block[0], block[1], scale_bits);
}

/// modelopt's names.
QuantisedGroup algorithm(const Keys& q, const char* key, const std::string& name, int group) {
  if (name == "FP8") return group_of(fp8_tensor());
  if (name == "FP8_PER_CHANNEL_PER_TOKEN" || name == "FP8_PC_PT") return group_of(fp8_channels());
  if (name == "FP8_PB_WO" || name == "FP8_BLOCK_SCALES") return group_of(fp8_blocks(128, 128, 32));
  if (name == "NVFP4" || name == "NVFP4_AWQ" || name == "W4A16_NVFP4") {
    if (group > 0 && group != 16) q.fail("group_size", fmt::format("NVFP4 has groups of 16, got {}", group));
    return group_of(nvfp4(), 16);
  }
  if (name == "MXFP4") return group_of(mxfp4(), 32);
  if (name == "MXFP8") return group_of(mxfp8(), 32);
  if (name == "W4A16_AWQ" || name == "W4A8_AWQ") {
    const int size = group > 0 ? group : 128;
    return group_of(integers(4, size, q.flag_or("has_zero_point", false)), size);
  }
  if (name == "W8A16" || name == "W8A8_SQ_PER_CHANNEL" || name == "INT8") return group_of(integers(8, 0, false));
  q.fail(key,
         fmt::format("there is no quantisation \"{}\"; there are: FP8, FP8_PER_CHANNEL_PER_TOKEN, FP8_PB_WO, NVFP4, "
                     "MXFP4, MXFP8, W4A16_AWQ, W4A8_AWQ, W8A16, INT8, MIXED_PRECISION",
                     name));
}

/// Layers with an algorithm of their own.
void read_quantised_layers(const Keys& q, Quantisation& out) {
  const formats::JsonValue& layers = q.object().at("quantized_layers");
  (void)q.has("quantized_layers");
  if (!layers.is_object()) q.fail("quantized_layers", "expected an object");
  if (layers.empty()) q.fail("quantized_layers", "is empty");
  std::vector<std::pair<std::string, int>> seen;  // an algorithm and its size of groups, one for each of out.groups
  for (const auto& [name, how] : layers.items()) {
    if (!how.is_object() || !how.contains("quant_algo") || !how["quant_algo"].is_string())
      q.fail("quantized_layers", fmt::format("{} has no quant_algo", name));
    const std::string algo = how["quant_algo"].get<std::string>();
    const int size =
        how.contains("group_size") && how["group_size"].is_number_integer() ? how["group_size"].get<int>() : 0;
    const auto found = std::ranges::find(seen, std::pair(algo, size));
    const auto at = std::size_t(found - seen.begin());
    if (found == seen.end()) {
      out.groups.push_back(algorithm(q, "quantized_layers", algo, size));
      seen.emplace_back(algo, size);
    }
    out.groups[at].targets.add(name, q, "quantized_layers");
  }
}
}  // namespace

/// Experts with an algorithm of their own come first.
void read_algorithms(const Keys& q, const std::string& algo, int group, Quantisation& out) {
  out.words = algo;
  if (const std::string experts = q.text_or("moe_quant_algo", ""); !experts.empty() && experts != algo) {
    out.groups.push_back(algorithm(q, "moe_quant_algo", experts, 0));
    out.groups.back().experts_only = true;
    out.words = fmt::format("{}, experts {}", algo, experts);
  }
  out.groups.push_back(algorithm(q, "quant_algo", algo, group));
  if (!q.has("config_groups")) return;
  // Says in compressed-tensors' words what quant_algo says.
  const Keys groups = q.part("config_groups");
  for (const auto& [name, value] : q.object().at("config_groups").items()) {
    const Keys one = groups.part(name.c_str());
    if (!one.has("weights")) continue;
    const Keys weights = one.part("weights");
    if (!weights.is_number("num_bits")) continue;
    const int bits = weights.size("num_bits");
    if (std::ranges::none_of(out.groups, [&](const QuantisedGroup& g) { return g.format.bits == bits; }))
      q.fail("config_groups", fmt::format("{} has weights of {} bits, and quant_algo is {}", name, bits, algo));
  }
}

/// modelopt, in config.json or beside it.
Quantisation read_modelopt(const Keys& q, const std::string& where) {
  Quantisation out;
  out.where = where;
  const std::string algo = q.text_or("quant_algo", "");
  if (algo.empty()) q.fail("missing key \"quant_algo\"");
  const int group = q.whole_or("group_size", 0);
  for (const char* key : {"exclude_modules", "ignore"}) {
    add_modules(q, key, out.ignored);
    out.head = out.head || (q.has(key) && !q.words(key).empty());
  }
  for (const char* key : {"config_groups", "quant_method", "moe_quant_algo", "has_zero_point", "pre_quant_scale"})
    (void)q.has(key);
  if (algo == "MIXED_PRECISION")
    read_quantised_layers(q, out);
  else
    read_algorithms(q, algo, group, out);
  out.words = fmt::format("{} (modelopt)", out.words.empty() ? algo : out.words);
  refuse_unknown(q, "modelopt");
  return out;
}

Quantisation read_fp8(const Keys& q, const Keys& text, const std::string& where, std::string_view type) {
  Quantisation out;
  out.where = where;
  const std::string element = q.text_or("fmt", "e4m3");
  if (element != "e4m3" && element != "float8_e4m3fn" && element != "e5m2")
    q.fail("fmt", fmt::format("expected e4m3 or e5m2, got \"{}\"", element));
  for (const char* key : {"modules_to_not_convert", "ignored_layers"}) add_modules(q, key, out.ignored);
  if (q.has("quantized_layers")) {
    read_quantised_layers(q, out);
    for (const char* key : {"quant_algo", "moe_quant_algo", "ignore", "config_groups", "group_size"}) (void)q.has(key);
  }
  if (const std::string experts = text.text_or("expert_dtype", ""); !experts.empty()) {
    if (experts != "fp4" && experts != "fp8")
      text.fail("expert_dtype", fmt::format("expected fp4 or fp8, got \"{}\"", experts));
    if (experts == "fp4") {
      out.groups.push_back(group_of(mxfp4(), 32));
      out.groups.back().experts_only = true;
    }
  }
  const bool blocks = q.has("weight_block_size");
  if (q.flag_or("weight_per_tensor", false) && blocks)
    q.fail("weight_per_tensor", "is true, and weight_block_size has blocks");
  QuantisedGroup rest;
  rest.format = blocks ? fp8_by_blocks(q, type == "deepseek_v4" ? 8 : 32) : fp8_tensor();
  out.groups.push_back(std::move(rest));
  out.words = blocks ? "FP8 by blocks" : "FP8 by tensors";
  if (out.groups.size() > 1) out.words = fmt::format("{} and {}", out.groups.front().format.name, out.words);
  refuse_unknown(q, "fp8");
  return out;
}

Quantisation read_mx(const Keys& q, const std::string& method, const std::string& where) {
  Quantisation out;
  out.where = where;
  out.groups.push_back(group_of(method == "mxfp4" ? mxfp4() : mxfp8(), 32));
  out.groups.back().experts_only = method == "mxfp4";
  add_modules(q, "modules_to_not_convert", out.ignored);
  (void)q.has("quant_method");
  out.words = method == "mxfp4" ? "MXFP4 experts" : "MXFP8";
  refuse_unknown(q, method);
  return out;
}

Quantisation read_fbgemm(const Keys& q, const std::string& where) {
  Quantisation out;
  out.where = where;
  QuantisedGroup one;
  one.format = fp8_channels();
  one.format.scale_bits = 32;
  out.groups.push_back(std::move(one));
  add_modules(q, "modules_to_not_convert", out.ignored);
  (void)q.has("quant_method");
  out.words = "FP8 by channels (fbgemm)";
  refuse_unknown(q, "fbgemm_fp8");
  return out;
}
}  // namespace moesim::spec
