#include "forward/precision.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <span>
#include <string_view>
#include <vector>

#include "compute/layers/index_kernels.h"
#include "spec/arithmetic.h"
#include "spec/count.h"

namespace moesim::forward {

namespace {
using spec::Dtype;

/// Which formats there is arithmetic for: those of one GPU, or all that products have.
struct Arithmetic {
  const spec::Gpu* gpu = nullptr;
  bool has(Dtype dtype) const { return !gpu || spec::computes_in(*gpu, dtype); }
};

/// What one kind of projection is multiplied in, and how its weights lie in memory where that is narrower.
struct KindFormats {
  Dtype computed = Dtype::bf16;
  std::optional<Dtype> stored{};
};

/// FP8 that a GPU lacks is BF16 in memory too, as engines load it; 4-bit formats and integers stay as they are.
KindFormats formats_of_kind(Dtype released, const Arithmetic& arithmetic, std::optional<compute::StepPhase> phase) {
  if (released == Dtype::fp8) return {arithmetic.has(released) ? released : Dtype::bf16};
  if (!spec::quantised(released) || phase == compute::StepPhase::training) return {};
  if (spec::block_scaled(released) && arithmetic.has(released)) return {released};
  return {Dtype::bf16, released};
}

compute::Precisions released(const spec::Model& model, const Arithmetic& arithmetic,
                             std::optional<compute::StepPhase> phase) {
  const spec::Storage storage = spec::released_storage(model);
  const auto of = [&](spec::ParameterPart part) { return formats_of_kind(storage.of(part), arithmetic, phase); };
  const KindFormats linear = of(spec::ParameterPart::dense), attention = of(spec::ParameterPart::attention),
                    experts = of(spec::ParameterPart::routed);
  compute::Precisions out;
  out.linear = linear.computed;
  out.linear_weights = linear.stored;
  out.projection_weights = attention.stored;
  out.expert_weights = experts.stored;
  if (attention.computed != linear.computed) out.projections = attention.computed;
  if (experts.computed != linear.computed || (experts.stored && !linear.stored)) out.experts = experts.computed;
  return out;
}

/// Each once: "fp4 and int4".
std::string words_of(std::span<const Dtype> formats) {
  std::vector<std::string_view> names;
  for (const Dtype one : formats)
    if (std::ranges::find(names, name_of(one)) == names.end()) names.push_back(name_of(one));
  return fmt::format("{}", fmt::join(names, " and "));
}

/// The formats that stay narrow in memory and are widened as they are read.
std::vector<Dtype> widened_formats(const compute::Precisions& p) {
  std::vector<Dtype> out;
  for (const std::optional<Dtype>& one : {p.linear_weights, p.projection_weights, p.expert_weights})
    if (one) out.push_back(*one);
  return out;
}

/// The formats of a release that products are not computed in.
std::vector<Dtype> lacking_formats(const spec::Storage& s, const spec::Gpu& gpu) {
  std::vector<Dtype> out;
  for (const Dtype one : {s.dtype, s.of(spec::ParameterPart::attention), s.of(spec::ParameterPart::routed)})
    if (!spec::computes_in(gpu, one)) out.push_back(one);
  return out;
}

/// Why a release is computed in what it is.
std::string released_reason(const spec::Model& model, const compute::Precisions& own, const spec::Gpu& gpu,
                            std::optional<compute::StepPhase> phase) {
  const spec::Storage storage = spec::released_storage(model);
  const std::vector<Dtype> lacking = lacking_formats(storage, gpu), widened = widened_formats(own);
  if (phase == compute::StepPhase::training)
    for (const Dtype one : {storage.of(spec::ParameterPart::routed), storage.of(spec::ParameterPart::dense)})
      if (spec::quantised(one) && one != Dtype::fp8)
        return fmt::format("released in {}, which is made after training", name_of(one));
  const bool integers = std::ranges::any_of(widened, [](Dtype one) { return !spec::block_scaled(one); });
  if (integers) return fmt::format("released in {}, widened as it is read", words_of(widened));
  if (!widened.empty())
    return fmt::format("released in {}, which {} lacks: widened as it is read", words_of(widened), gpu.name);
  if (!lacking.empty()) return fmt::format("released in {}, which {} lacks", words_of(lacking), gpu.name);
  return model.weights == Dtype::fp16 ? "released in fp16" : "as released";
}

/// own: what the release is computed in.
std::string reason_of(const AskedPrecision& asked, const spec::Model& model, const compute::Precisions& own,
                      const spec::Gpu& gpu, std::optional<compute::StepPhase> phase) {
  if (asked.linear)
    return own.expert_weights && !asked.expert_weights ? "as asked; expert_weights as released" : "as asked";
  std::string out = released_reason(model, own, gpu, phase);
  if (!model.weights_note.empty()) out += "; " + model.weights_note;
  for (const auto& [name, given] :
       {std::pair("projections", &asked.projections), std::pair("experts", &asked.experts),
        std::pair("expert_weights", &asked.expert_weights), std::pair("dispatch", &asked.dispatch),
        std::pair("attention", &asked.attention), std::pair("kv_cache", &asked.kv_cache)})
    if (*given) out += fmt::format("; {} as asked", name);
  return out;
}
}  // namespace

compute::Precisions released_precision(const spec::Model& model, const spec::Gpu& gpu,
                                       std::optional<compute::StepPhase> phase) {
  return released(model, {&gpu}, phase);
}

compute::Precisions released_precision(const spec::Model& model, std::optional<compute::StepPhase> phase) {
  return released(model, {}, phase);
}

ChosenPrecision choose_precision(const AskedPrecision& asked, const spec::Model& model, const spec::Gpu& gpu,
                                 std::optional<compute::StepPhase> phase) {
  ChosenPrecision chosen{released_precision(model, gpu, phase), ""};
  chosen.reason = reason_of(asked, model, chosen.formats, gpu, phase);
  compute::Precisions& out = chosen.formats;
  if (asked.linear) {
    out.linear = *asked.linear;
    out.experts.reset();
    out.projections.reset();
    out.linear_weights.reset();
    out.projection_weights.reset();
  }
  if (asked.projections) {
    out.projections = asked.projections;
    out.projection_weights.reset();
  }
  if (asked.experts) out.experts = asked.experts;
  if (asked.expert_weights) out.expert_weights = asked.expert_weights;
  out.attention = asked.attention.value_or(out.attention);
  out.kv_cache = asked.kv_cache.value_or(out.kv_cache);
  out.dispatch = asked.dispatch;
  return chosen;
}

std::string formats_text(const compute::Precisions& p) {
  std::string out(name_of(p.linear));
  if (p.linear_weights) out += fmt::format(", weights {}", name_of(*p.linear_weights));
  if (p.of_projections() != p.linear) out += fmt::format(", attention projections {}", name_of(p.of_projections()));
  if (p.projection_weights && p.projection_weights != p.linear_weights)
    out += fmt::format(", projection weights {}", name_of(*p.projection_weights));
  if (p.of_experts() != p.linear) out += fmt::format(", experts {}", name_of(p.of_experts()));
  if (p.stored_experts() != p.of_experts()) out += fmt::format(", expert weights {}", name_of(p.stored_experts()));
  if (p.attention != spec::Dtype::bf16) out += fmt::format(", attention {}", name_of(p.attention));
  if (p.kv_cache != spec::Dtype::bf16) out += fmt::format(", cache {}", name_of(p.kv_cache));
  return out;
}

void check_precision(const Config& section, const compute::Precisions& p, const spec::Gpu& gpu) {
  const Config config = section.at_or_empty("precision");
  for (const auto& [key, dtype] : {std::pair("linear", p.linear), std::pair("projections", p.of_projections()),
                                   std::pair("experts", p.of_experts()), std::pair("attention", p.attention)})
    if (!spec::computes_in(gpu, dtype))
      config.at_or_empty(key).fail(fmt::format("{} has no {} arithmetic", gpu.name, name_of(dtype)));
  if (!p.dispatch || p.dispatch == Dtype::bf16) return;
  if (p.dispatch != Dtype::fp8)
    config.fail_below("dispatch", fmt::format("rows travel in bf16 or fp8, got {}", name_of(*p.dispatch)));
  if (p.of_experts() != Dtype::fp8)
    config.fail_below("dispatch",
                      fmt::format("fp8 rows need experts that compute in fp8, not {}", name_of(p.of_experts())));
}

void check_indexer(const Config& section, const spec::Model& model, const spec::Gpu& gpu) {
  if (const std::string missing = compute::missing_for_indexers(model, gpu); !missing.empty()) section.fail(missing);
}
}  // namespace moesim::forward
