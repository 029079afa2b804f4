#include "spec/release/quantisation.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "formats/json.h"
#include "spec/release/python_json.h"
#include "spec/release/quantisation_methods.h"

namespace moesim::spec {
namespace {
Quantisation read_object(const Keys& q, const Keys& text, const std::string& where, std::string_view type) {
  std::string method = q.text_or("quant_method", "");
  if (method.empty() && q.has("quant_algo")) method = "modelopt";
  if (method.empty() && q.has("config_groups")) method = "compressed-tensors";
  if (method == "modelopt" || method == "modelopt_fp4" || method == "modelopt_fp8" || method == "nvfp4")
    return read_modelopt(q, where);
  if (method == "fp8") return read_fp8(q, text, where, type);
  if (method == "compressed-tensors") return read_compressed_tensors(q, where);
  if (method == "awq" || method == "gptq" || method == "gptqmodel" || method == "auto-round" ||
      method == "intel/auto-round")
    return read_grouped(q, method, where);
  if (method == "bitsandbytes") return read_bitsandbytes(q, where);
  if (method == "mxfp4" || method == "mxfp8") return read_mx(q, method, where);
  if (method == "fbgemm_fp8") return read_fbgemm(q, where);
  if (method.empty() && q.has("bits") && q.has("group_size"))
    q.fail("bits and group_size without quant_method are MLX's, which is not read");
  if (method.empty()) q.fail("missing key \"quant_method\"");
  q.fail("quant_method", fmt::format("\"{}\" is not read; there are: fp8, fbgemm_fp8, mxfp4, mxfp8, modelopt, "
                                     "compressed-tensors, awq, gptq, auto-round, bitsandbytes",
                                     method));
}

/// hf_quant_config.json: {"quantization": {...}}.
Quantisation read_beside(const std::string& file) {
  const formats::JsonValue document = read_python_json(file);
  const Keys root(formats::JsonObject(document, file), document);
  return read_modelopt(root.part("quantization"), file);
}
}  // namespace

Quantisation read_quantisation(const Keys& root, const Keys& text, const std::string& beside, std::string_view type) {
  Quantisation out;
  bool found = false;
  const auto take = [&](const Keys& holder, const char* key, bool towers) {
    if (!holder.has(key)) return;
    if (found) holder.fail(key, fmt::format("a second quantisation besides {}", out.words));
    const bool is_text = holder.is_text(key);
    if (is_text) {
      const std::string word = holder.text_or(key, "");
      if (word != "fp8")
        holder.fail(key, fmt::format("expected an object or fp8, got \"{}\": its bits and groups are not said", word));
      out.groups.push_back(group_of(fp8_tensor()));
      out.words = "FP8 by tensors";
    } else {
      out = read_object(holder.part(key), text, holder.object().where(), type);
    }
    out.towers = towers;
    found = true;
  };
  for (const char* key : {"quantization_config", "compression_config", "quantization", "quantize"}) {
    take(root, key, true);
    if (&root != &text) take(text, key, false);
  }
  std::error_code error;
  if (beside.empty() || !std::filesystem::is_regular_file(beside, error)) {
    if (const std::string experts = text.text_or("expert_dtype", ""); !found && (experts == "fp4" || experts == "fp8"))
      text.fail("expert_dtype", fmt::format("says {}, and there is no quantization_config", experts));
    return out;
  }
  Quantisation other = read_beside(beside);
  if (!found) {
    other.words += fmt::format(", {}", std::filesystem::path(beside).filename().string());
    return other;
  }
  const WeightFormat &one = out.groups.front().format, &two = other.groups.front().format;
  const bool single = out.groups.size() == 1 && other.groups.size() == 1;
  if (single ? one.name != two.name : one.bits != two.bits)
    throw ConfigError::placed(
        fmt::format("{}: quantization.quant_algo: says {}, and config.json says {}", beside, two.name, one.name));
  return out;
}

std::vector<WeightFormat> formats_of(const std::vector<Tensor>& tensors, const Quantisation& how,
                                     const WeightFormat& plain) {
  const WeightFormat wide = plain_format("float32");
  std::vector<WeightFormat> out;
  out.reserve(tensors.size());
  bool any = false;
  for (const Tensor& t : tensors) {
    const WeightFormat* format = t.fp32 ? &wide : &plain;
    const bool tower = t.owner == Owner::vision || t.owner == Owner::audio;
    const bool takes = t.takes == Takes::linear || (t.takes == Takes::head && how.head);
    if (takes && !(tower && !how.towers) && !how.groups.empty() && !how.ignored.has(t.name))
      for (const QuantisedGroup& group : how.groups) {
        if (group.experts_only && t.kind != TensorKind::routed) continue;
        if (!group.targets.empty() && !group.targets.has(t.name)) continue;
        if (group.group > 0 && t.columns % group.group != 0)
          throw ConfigError::placed(fmt::format("{}: groups of {} do not divide the input width {} of {}", how.where,
                                                group.group, t.columns, t.name));
        format = &group.format;
        any = true;
        break;
      }
    out.push_back(*format);
  }
  if (!any && !how.groups.empty())
    throw ConfigError::placed(
        fmt::format("{}: its quantisation, {}, names no weight of this model", how.where, how.words));
  return out;
}
}  // namespace moesim::spec
