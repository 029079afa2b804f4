// Sets a training step up: number formats and their scales, kernels, exchange.
#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "core/named_enum.h"
#include "forward/precision.h"
#include "spec/arithmetic.h"
#include "spec/layer_shape.h"
#include "training/plan.h"

namespace moesim::training {
compute::Recompute recompute_of(RecomputeKind kind) {
  compute::Recompute out;
  if (kind == RecomputeKind::selective) out.norms = out.up_projections = out.swiglu = true;
  if (kind == RecomputeKind::full) out.layer = true;
  return out;
}

compute::Recompute recompute_of(const TrainingSection& section) {
  compute::Recompute out = recompute_of(section.recompute);
  for (const RecomputeModule module : section.recompute_modules) switch (module) {
      case RecomputeModule::norms:
        out.norms = true;
        break;
      case RecomputeModule::activations:
        out.swiglu = true;
        break;
      case RecomputeModule::up_projections:
        out.up_projections = true;
        break;
      case RecomputeModule::core_attention:
        out.core = true;
        break;
      case RecomputeModule::shared_experts:
        out.shared_experts = true;
        break;
      case RecomputeModule::experts:
        out.experts = true;
        break;
    }
  return out;
}

namespace {
bool any_layer(const spec::Model& model, const std::function<bool(int)>& is) {
  for (int layer = 0; layer < model.layers; ++layer)
    if (is(layer)) return true;
  return false;
}

/// Each once, none beside another way to say it, none that the model has not.
void check_modules(const Config& training, const TrainingSection& s, const spec::Model& model) {
  if (s.recompute_modules.empty()) return;
  const Config at = training.at("recompute_modules");
  if (s.recompute != RecomputeKind::none)
    at.fail(fmt::format("training.recompute {} says it already; leave one of them out", name_of(s.recompute)));
  for (auto one = s.recompute_modules.begin(); one != s.recompute_modules.end(); ++one)
    if (std::find(s.recompute_modules.begin(), one, *one) != one)
      at.fail(fmt::format("\"{}\" stands twice", name_of(*one)));
  const compute::Recompute asked = recompute_of(s);
  const auto has_kind = [&](std::initializer_list<spec::AttentionKind> kinds) {
    return any_layer(model, [&](int layer) {
      return std::ranges::find(kinds, spec::layer_shape(model, layer).attention.kind) != kinds.end();
    });
  };
  using enum spec::AttentionKind;
  if (asked.up_projections && !has_kind({mla, dsa, compressed, kimi_delta}))
    at.fail(fmt::format("{} has no up_projections: they are MLA's", model.name));
  if (asked.core && !any_layer(model, [&](int layer) {
        const spec::AttentionKind kind = spec::layer_shape(model, layer).attention.kind;
        return kind != spec::AttentionKind::none && !spec::keeps_state(kind);
      }))
    at.fail(fmt::format("{} has no core_attention: its layers keep states", model.name));
  if (asked.experts && !model.moe) at.fail(fmt::format("{} has no experts: it is a dense model", model.name));
  if (asked.shared_experts && !(model.moe && model.moe->shared_experts > 0))
    at.fail(fmt::format("{} has no shared_experts", model.name));
  if (asked.experts && asked.shared_experts)
    at.fail("experts are computed again with the shared ones beside them; leave shared_experts out");
  if (asked.experts && asked.swiglu && !any_layer(model, [&](int layer) { return !spec::has_experts(model, layer); }))
    at.fail(
        fmt::format("every layer of {} has experts, whose activations are computed again with them; leave "
                    "activations out",
                    model.name));
}

/// Takes the asked recipe.  Throws ConfigError if nothing is computed in its format, or the GPU cannot.
void take_recipe(const Config& training, const TrainingPlan& plan, compute::Precisions& formats) {
  if (!plan.section.precision.recipe) return;
  const compute::Recipe recipe = *plan.section.precision.recipe;
  const Config at = training.at("precision").at("recipe");
  const bool four = recipe == compute::Recipe::nvfp4;
  const spec::Dtype wanted = four ? spec::Dtype::nvfp4 : spec::Dtype::fp8;
  bool any = false;
  for (const spec::Dtype one : {formats.linear, formats.of_projections(), formats.of_experts()}) {
    any |= one == wanted;
    if (one != wanted && spec::block_scaled(one))
      at.fail(
          fmt::format("{} scales {}, but something is computed in {}", name_of(recipe), name_of(wanted), name_of(one)));
  }
  if (!any)
    at.fail(fmt::format("{0} scales {1}, and nothing is computed in it; precision.linear {1} would do", name_of(recipe),
                        name_of(wanted)));
  // The tensor cores that multiply scales in are those that have 4 bits (Blackwell, CDNA4: OCP microscaling).
  if (recipe == compute::Recipe::mxfp8 && !spec::computes_in(plan.cluster.node.gpu, spec::Dtype::fp4))
    at.fail(fmt::format("{} has no tensor cores that take a scale for 32 numbers; current, delayed or blocks would do",
                        plan.cluster.node.gpu.name));
  formats.recipe = recipe;
  // Transformer Engine's grouped products cast the rows that a dispatcher brings.
  if (recipe != compute::Recipe::blocks && !formats.dispatch) formats.dispatch = spec::Dtype::bf16;
}

}  // namespace

void check_shared_sequences(const Config& parallel, const ParallelSection& p, const spec::Model& model) {
  for (int layer = 0; p.context > 1 && layer < model.layers; ++layer)
    if (const spec::AttentionKind kind = spec::layer_shape(model, layer).attention.kind;
        spec::passes_on(kind) || kind == spec::AttentionKind::windowed)
      parallel.at("context").fail(
          fmt::format("layer {} of {} {} ({}), and has no costs for sequences that {} "
                      "GPUs share; 1 would do",
                      layer, model.name,
                      spec::keeps_state(kind) ? "keeps a state"
                      : spec::passes_on(kind) ? "makes entries of several tokens"
                                              : "has heads of its own",
                      name_of(kind), p.context));
}

forward::StepSetup setup_of(const Config& training, const TrainingPlan& plan) {
  const TrainingSection& s = plan.section;
  const spec::Gpu& gpu = plan.cluster.node.gpu;
  forward::ChosenPrecision precision =
      forward::choose_precision(s.precision, plan.model, gpu, compute::StepPhase::training);
  take_recipe(training, plan, precision.formats);
  check_modules(training, s, plan.model);
  if (s.graphs == Graphs::whole && plan.model.moe && !plan.padded())
    training.at("graphs").fail(
        "a graph has the same rows each time: whole layers need training.capacity.factor above 0; attention would do");
  if (s.expert_by_expert && !plan.model.moe)
    training.at("expert_by_expert").fail(fmt::format("{} is a dense model", plan.model.name));
  forward::check_precision(training, precision.formats, gpu);
  forward::check_indexer(training, plan.model, gpu);
  if (plan.model.residual_blocks > 0)
    training.fail(
        fmt::format("the halves of {}'s layers attend to results of blocks of {} layers (residual_blocks), "
                    "which its activations would have to keep, and nothing here counts",
                    plan.model.name, plan.model.residual_blocks));
  const compute::Adapters adapters = adapters_of(training, plan.model);
  for (const spec::Dtype one :
       {precision.formats.linear, precision.formats.of_projections(), precision.formats.of_experts()})
    if (adapters.rank > 0 && one != spec::Dtype::bf16)
      training.at("lora").fail(fmt::format(
          "adapters beside products in {} have no kernels yet; training.precision.linear bf16 would do", name_of(one)));
  forward::StepSetup out = forward::set_up({.model = plan.model,
                                            .gpu = gpu,
                                            .phase = compute::StepPhase::training,
                                            .precision = precision,
                                            .recompute = recompute_of(s),
                                            .tensor = s.parallel.tensor,
                                            .expert_tensor = s.parallel.expert_tensor,
                                            .graphs = s.graphs != Graphs::none,
                                            .exchange = network::read_exchange(training, "communication_sms", gpu.sms),
                                            .exchange_sms = s.communication_sms,
                                            .exchanges = plan.members > 1,
                                            .overlapped = plan.members > 1});
  out.options.adapters = adapters;
  out.options.expert_by_expert = s.expert_by_expert;
  // Megatron-LM without moe_router_padding_for_quantization.
  out.options.pads_rows = plan.model.moe && !plan.padded() && precision.formats.recipe != compute::Recipe::blocks &&
                          spec::block_scaled(precision.formats.of_experts());
  return out;
}
}  // namespace moesim::training
