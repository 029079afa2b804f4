#include "forward/precision.h"

#include <fmt/format.h>

#include "spec/arithmetic.h"

namespace moesim::forward {

namespace {
/// fp8, fp4: whether there is arithmetic for them.
compute::Precisions released(const spec::Model& model, bool fp8, bool fp4, std::optional<compute::StepPhase> phase) {
  compute::Precisions out;
  if (model.weights == spec::Dtype::fp8 && fp8) out.linear = spec::Dtype::fp8;
  if (model.weights != spec::Dtype::fp4 || phase == compute::StepPhase::training) return out;
  out.experts = fp4 ? spec::Dtype::fp4 : out.linear;
  if (!fp4) out.expert_weights = spec::Dtype::fp4;
  return out;
}

std::string reason_of(const AskedPrecision& asked, const spec::Model& model, const spec::Gpu& gpu,
                      std::optional<compute::StepPhase> phase) {
  const bool widened = model.weights == spec::Dtype::fp4 && !spec::computes_in(gpu, spec::Dtype::fp4) &&
                       phase != compute::StepPhase::training;
  if (asked.linear) return widened && !asked.expert_weights ? "as asked; expert_weights as released" : "as asked";
  std::string out = "as released";
  const spec::Dtype released = model.weights;
  if (released == spec::Dtype::fp4 && phase == compute::StepPhase::training)
    out = "released in fp4, which is made after training";
  else if (widened)
    out = fmt::format("released in fp4, which {} lacks: widened as it is read", gpu.name);
  else if (!spec::computes_in(gpu, released))
    out = fmt::format("released in {}, which {} lacks", name_of(released), gpu.name);
  else if (released == spec::Dtype::fp16)
    out = "released in fp16";
  for (const auto& [name, given] :
       {std::pair("experts", &asked.experts), std::pair("expert_weights", &asked.expert_weights),
        std::pair("attention", &asked.attention), std::pair("kv_cache", &asked.kv_cache)})
    if (*given) out += fmt::format("; {} as asked", name);
  return out;
}
}  // namespace

compute::Precisions released_precision(const spec::Model& model, const spec::Gpu& gpu,
                                       std::optional<compute::StepPhase> phase) {
  return released(model, spec::computes_in(gpu, spec::Dtype::fp8), spec::computes_in(gpu, spec::Dtype::fp4), phase);
}

compute::Precisions released_precision(const spec::Model& model, std::optional<compute::StepPhase> phase) {
  return released(model, true, true, phase);
}

ChosenPrecision choose_precision(const AskedPrecision& asked, const spec::Model& model, const spec::Gpu& gpu,
                                 std::optional<compute::StepPhase> phase) {
  ChosenPrecision chosen{released_precision(model, gpu, phase), reason_of(asked, model, gpu, phase)};
  compute::Precisions& out = chosen.formats;
  if (asked.linear) {
    out.linear = *asked.linear;
    out.experts.reset();
  }
  if (asked.experts) out.experts = asked.experts;
  if (asked.expert_weights) out.expert_weights = asked.expert_weights;
  out.attention = asked.attention.value_or(out.attention);
  out.kv_cache = asked.kv_cache.value_or(out.kv_cache);
  return chosen;
}

std::string formats_text(const compute::Precisions& p) {
  std::string out(name_of(p.linear));
  if (p.of_experts() != p.linear) out += fmt::format(", experts {}", name_of(p.of_experts()));
  if (p.stored_experts() != p.of_experts()) out += fmt::format(", expert weights {}", name_of(p.stored_experts()));
  if (p.attention != spec::Dtype::bf16) out += fmt::format(", attention {}", name_of(p.attention));
  if (p.kv_cache != spec::Dtype::bf16) out += fmt::format(", cache {}", name_of(p.kv_cache));
  return out;
}

void check_precision(const Config& section, const compute::Precisions& p, const spec::Gpu& gpu) {
  const Config config = section.at_or_empty("precision");
  for (const auto& [key, dtype] :
       {std::pair("linear", p.linear), std::pair("experts", p.of_experts()), std::pair("attention", p.attention)})
    if (!spec::computes_in(gpu, dtype))
      config.at_or_empty(key).fail(fmt::format("{} has no {} arithmetic", gpu.name, name_of(dtype)));
}
}  // namespace moesim::forward
