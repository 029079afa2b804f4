// Formats of groups of weights: compressed-tensors, AWQ, GPTQ, bitsandbytes.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "formats/json.h"
#include "spec/release/quantisation_methods.h"

namespace moesim::spec {
namespace {
/// Refuses a way of packing that makes other sizes: weights left wide, and those of which half are zeros.
void check_packing(const Keys& keys, const std::string& format) {
  constexpr auto known = std::to_array<std::string_view>(
      {"pack-quantized", "int-quantized", "float-quantized", "naive-quantized", "nvfp4-pack-quantized",
       "mxfp4-pack-quantized", "mxfp8-quantized", "mixed-precision"});
  if (!format.empty() && std::ranges::find(known, format) == known.end())
    keys.fail("format", fmt::format("\"{}\" is not read; there are: {}", format, fmt::join(known, ", ")));
}

/// Weights of which half are zeros are stored in other ways, with a map of where they are.
void refuse_sparse(const Keys& q) {
  if (!q.has("sparsity_config")) return;
  const std::string format = q.part("sparsity_config").text_or("format", "dense");
  if (format != "dense")
    q.fail("sparsity_config", fmt::format("weights packed as \"{}\" are not read, only dense ones", format));
}

/// The weights of one group of compressed-tensors.
QuantisedGroup compressed_weights(const Keys& w, const std::string& format) {
  const int bits = w.size("num_bits");
  const std::string kind = w.text_or("type", "int");
  const int group = w.whole_or("group_size", 0);
  std::string strategy = w.text_or("strategy", group > 0 ? "group" : "tensor");
  for (const char* key : {"dynamic", "symmetric", "observer", "observer_kwargs", "actorder", "block_structure",
                          "scale_dtype", "zp_dtype"})
    (void)w.has(key);
  const bool symmetric = w.flag_or("symmetric", true);
  const bool ordered = w.is_text("actorder")
                           ? w.text_or("actorder", "") == "group" || w.text_or("actorder", "") == "dynamic"
                           : w.flag_or("actorder", false);
  refuse_unknown(w, "compressed-tensors");
  if (kind == "float" && bits == 4) {
    if (format.starts_with("mxfp4") || group == 32) return group_of(mxfp4(), 32);
    if (group == 16 || strategy == "tensor_group") return group_of(nvfp4(), 16);
    w.fail("group_size", fmt::format("4-bit floats have groups of 16 or 32, got {}", group));
  }
  if (kind == "float" && bits == 8) {
    if (format.starts_with("mxfp8") || group == 32) return group_of(mxfp8(), 32);
    if (strategy == "block") {
      const std::vector<int> block = w.has("block_structure") && w.is_list("block_structure")
                                         ? w.list("block_structure")
                                         : std::vector<int>{128, 128};
      if (block.size() != 2 || block[0] < 1 || block[1] < 1)
        w.fail("block_structure", fmt::format("expected rows and columns, got [{}]", fmt::join(block, ", ")));
      return group_of(fp8_blocks(block[0], block[1], 32));
    }
    if (strategy == "channel") return group_of(fp8_channels());
    if (strategy == "tensor") return group_of(fp8_tensor());
    w.fail("strategy", fmt::format("8-bit floats are by tensor, channel or block, got \"{}\"", strategy));
  }
  if (kind == "int" && (bits == 4 || bits == 8)) {
    // These two keep a byte for every number.
    const int stored = format == "int-quantized" || format == "naive-quantized" ? 8 : bits;
    if (strategy == "group" && group > 0) {
      QuantisedGroup out = group_of(integers(stored, group, !symmetric), group);
      if (ordered) out.format.column_bytes = 4;  // the group of every input column
      return out;
    }
    if (strategy == "channel") return group_of(integers(stored, 0, !symmetric));
    w.fail("strategy", fmt::format("integers are by group or channel, got \"{}\"", strategy));
  }
  w.fail("num_bits", fmt::format("there is no {} of {} bits", kind, bits));
}
}  // namespace

Quantisation read_compressed_tensors(const Keys& q, const std::string& where) {
  Quantisation out;
  out.where = where;
  out.head = true;
  add_modules(q, "ignore", out.ignored);
  const std::string format = q.text_or("format", "");
  check_packing(q, format);
  refuse_sparse(q);
  const Keys groups = q.part("config_groups");
  for (const auto& [name, value] : q.object().at("config_groups").items()) {
    const Keys group = groups.part(name.c_str());
    for (const char* key : {"input_activations", "output_activations"}) (void)group.has(key);
    const Keys weights = group.part("weights");
    const std::string own = group.text_or("format", format);
    check_packing(group, own);
    QuantisedGroup one = compressed_weights(weights, own);
    bool all = !group.has("targets");
    if (!all)
      for (const std::string& target : group.words("targets")) {
        if (target == "Linear")
          all = true;
        else
          one.targets.add(target, group, "targets");
      }
    if (all) one.targets = ModulePatterns{};
    out.words += fmt::format("{}{}", out.words.empty() ? "" : " and ", one.format.name);
    out.groups.push_back(std::move(one));
  }
  if (out.groups.empty()) q.fail("config_groups", "is empty");
  // Groups that name modules hold before one for all that is left.
  std::ranges::stable_sort(out.groups, {}, [](const QuantisedGroup& g) { return g.targets.empty(); });
  out.words += " (compressed-tensors)";
  (void)q.has("quant_method");
  (void)q.has("quant_algo");
  refuse_unknown(q, "compressed-tensors");
  return out;
}

namespace {
/// GPTQ's lists of a block's modules that were quantised one after the other; the others stayed as they were.
void read_block_modules(const Keys& q, ModulePatterns& out) {
  constexpr const char* key = "modules_in_block_to_quantize";
  if (!q.has(key)) return;
  const formats::JsonValue& lists = q.object().at(key);
  for (const auto& list : lists.is_array() ? lists : formats::JsonValue::array({lists}))
    for (const auto& one : list.is_array() ? list : formats::JsonValue::array({list})) {
      if (!one.is_string()) q.fail(key, "expected lists of modules' names");
      out.add(one.get<std::string>(), q, key);
    }
}
}  // namespace

Quantisation read_grouped(const Keys& q, const std::string& method, const std::string& where) {
  Quantisation out;
  out.where = where;
  const bool gptq = method != "awq";
  const char* const bits_key = q.named({"bits", "w_bit"});
  const int bits = q.size(bits_key);
  if (bits != 4 && bits != 8 && !(gptq && (bits == 2 || bits == 3)))
    q.fail(bits_key, fmt::format("expected {}, got {}", gptq ? "2, 3, 4 or 8" : "4 or 8", bits));
  const char* const group_key = q.named({"group_size", "q_group_size"});
  const auto group = q.has(group_key) ? q.object().integer(group_key, -1, 1 << 20) : 128;
  if (group == 0) q.fail(group_key, "must be -1 or more than 0, got 0");
  QuantisedGroup one;
  one.format = integers(bits, group > 0 ? group : 0, gptq || q.flag_or("zero_point", true));
  one.format.name = fmt::format("{} {}", method, one.format.name);
  if (gptq) one.format.column_bytes = 4;
  one.group = group > 0 ? group : 0;
  for (const char* key : {"modules_to_not_convert", "ignore"}) add_modules(q, key, out.ignored);
  out.head = q.flag_or("lm_head", false);
  for (const char* key : {"quant_method", "sym", "desc_act", "zero_point"}) (void)q.has(key);
  read_block_modules(q, one.targets);
  if (const std::string scale = q.text_or("scale_dtype", "float16"); !scale.ends_with("16"))
    q.fail("scale_dtype", fmt::format("expected 16 bits, got \"{}\"", scale));
  if (const std::string type = q.text_or("data_type", "int"); type != "int")
    q.fail("data_type", fmt::format("expected int, got \"{}\"", type));
  if (q.has("dynamic")) {
    const Keys dynamic = q.part("dynamic");
    for (const auto& [name, value] : q.object().at("dynamic").items()) {
      if (!name.starts_with("-:"))
        q.fail("dynamic", fmt::format("\"{}\": only modules left out (\"-:\") are read", name));
      out.ignored.add("re:" + name.substr(2), q, "dynamic");
    }
  }
  out.words = one.format.name;
  out.groups.push_back(std::move(one));
  refuse_unknown(q, method);
  return out;
}

/// 4 bits with a scale for 64, itself of 8 bits with an FP32 one for 256 where it is doubled; or 8 bits and a row's
/// scale.
Quantisation read_bitsandbytes(const Keys& q, const std::string& where) {
  Quantisation out;
  out.where = where;
  const bool four = q.flag_or("load_in_4bit", false), eight = q.flag_or("load_in_8bit", false);
  if (four == eight) q.fail("load_in_4bit", fmt::format("one of it and load_in_8bit must be true, both are {}", four));
  QuantisedGroup one;
  if (four) {
    const std::string kind = q.text_or("bnb_4bit_quant_type", "fp4");
    if (kind != "nf4" && kind != "fp4")
      q.fail("bnb_4bit_quant_type", fmt::format("expected nf4 or fp4, got \"{}\"", kind));
    const bool doubled = q.flag_or("bnb_4bit_use_double_quant", false);
    one.format = {.name = fmt::format("{} group 64", kind),
                  .bits = 4,
                  .block_rows = 1,
                  .block_columns = 64,
                  .scale_bits = doubled ? 8 : 32};
    if (doubled) one.format.tensor_bytes = 4;
  } else {
    one.format = {.name = "int8 row", .bits = 8, .block_rows = 1, .scale_bits = 32};
  }
  (void)q.has("bnb_4bit_quant_type");
  (void)q.flag_or("bnb_4bit_use_double_quant", false);
  (void)q.has("quant_method");
  add_modules(q, "llm_int8_skip_modules", out.ignored);
  out.words = one.format.name + " (bitsandbytes)";
  out.groups.push_back(std::move(one));
  refuse_unknown(q, "bitsandbytes");
  return out;
}
}  // namespace moesim::spec
