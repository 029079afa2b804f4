#include "serving/deployment/pool_choices.h"

#include <fmt/format.h>

#include "core/range.h"
#include "forward/precision.h"
#include "serving/deployment/pool_growth.h"
#include "spec/layer_shape.h"

namespace moesim::serving {
namespace {
std::optional<compute::StepPhase> phase_of(Role role) {
  if (role == Role::both) return std::nullopt;
  return role == Role::decode ? compute::StepPhase::decode : compute::StepPhase::prefill;
}

/// FP8 weights have a scale for 128 x 128 of them, and engines refuse to cut through such a block (vllm #17569,
/// #25292).
constexpr int kBlock = 128;

/// Columns that slices of experts are filled up to a multiple of; 1 where blocks stay whole anyway.
int block_of_slices(const Config& config, const Parallel& p, const spec::Model& model, spec::Dtype experts) {
  const bool slices = model.moe && p.experts_tensor && experts == spec::Dtype::fp8;
  const std::int64_t width = model.moe ? model.moe->expert_width : 0;
  const auto cuts = [&](int parts) { return width % (std::int64_t{parts} * kBlock) != 0; };
  if (!slices || !cuts(p.tensor)) {
    if (p.pad)
      config.fail_below("parallel.pad",
                        !slices
                            ? "has no effect here: only slices of FP8 experts (experts_tensor: true) can end within "
                              "a block"
                            : fmt::format("has no effect here: {} / {} columns of an expert are whole blocks of {}",
                                          width, p.tensor, kBlock));
    return 1;
  }
  if (p.pad) return kBlock;
  int fits = p.tensor;
  while (fits > 1 && (p.tensor % fits != 0 || cuts(fits))) --fits;
  config.fail_below("parallel.tensor",
                    fmt::format("{} / {} = {:.6g} columns of an expert are no multiple of the {} of a block of FP8 "
                                "weights; use tensor {}, whole experts on each GPU (experts_tensor: false), or slices "
                                "filled up to whole blocks (pad: true)",
                                width, p.tensor, double(width) / p.tensor, kBlock, fits));
}

/// Orders of work that these layers cannot follow.
void check_overlap(const Config& config, const PoolSection& s, const spec::Model& model, bool exchanges) {
  const auto refuse = [&](const std::string& why) { config.fail_below("overlap", why); };
  if (s.overlap == OverlapKind::none) return;
  if (!exchanges)
    refuse(fmt::format("{} has no effect: no rows are exchanged, {}", name_of(s.overlap),
                       !model.moe                  ? model.name + " has no experts"
                       : s.parallel.experts_tensor ? "every GPU holds a slice of all experts"
                                                   : "one GPU holds them all"));
  if (s.overlap == OverlapKind::five_stage && s.role == Role::prefill)
    refuse("five_stage is an order of decoding; a pool of prompts takes two_batch");
  if (s.overlap == OverlapKind::shared_expert && model.moe->shared_experts == 0)
    refuse(fmt::format("shared_expert has no effect: {} has none", model.name));
  if (s.overlap != OverlapKind::shortcut) return;
  if (!model.moe->shortcut)
    refuse(
        fmt::format("shortcut is an order of layers whose experts join a layer later; those of {} do not", model.name));
  for (int stage = 1; stage < s.parallel.pipeline; ++stage)
    if (const int first = model.layers * stage / s.parallel.pipeline; first % 2 != 0)
      refuse(fmt::format("shortcut takes two layers at a time, and stage {} of {} begins at layer {}", stage,
                         s.parallel.pipeline, first));
}

void at_least_one(const Config& config, std::string_view key, int value) {
  if (value < 1) config.fail_below(key, fmt::format("must be at least 1, got {}", value));
}

// assumed: nobody starts or ends an instance more often; a run of 106 days asks less than 10^8 times.
constexpr Time kLeastCheck = 100_ms;
// Times that are added to one another: three still fit the clock of 106 days.
constexpr Time kLongest = 86400_s * 30;
// What products of two of them still leave within 64 bits, and of a pool's GPUs within 32.
constexpr std::int64_t kMostWays = 10'000, kMostInstances = 1'000'000, kMostBlock = 10'000'000;

/// Prompts that GPUs share: where it has a meaning, and costs.
void check_context(const Config& config, const PoolSection& s, const spec::Model* model) {
  const Parallel& p = s.parallel;
  if (p.context == 1) return;
  const auto refuse = [&](const std::string& why) { config.fail_below("parallel.context", why); };
  if (s.role != Role::prefill)
    refuse(
        fmt::format("{} parts of a prompt share its tokens, but a request that decodes has one at a time, which "
                    "each would compute; give prompts a pool of their own (role: prefill)",
                    p.context));
  if (s.fixed) refuse(fmt::format("a fixed step knows no parts of a prompt, got {}", p.context));
  if (model == nullptr) return;
  if (p.experts_tensor)
    refuse("needs whole experts on each GPU (experts_tensor: false), since every part's tokens visit all experts");
  for (int layer = 0; layer < model->layers; ++layer)
    if (const spec::AttentionKind kind = spec::layer_shape(*model, layer).attention.kind; spec::passes_on(kind))
      refuse(fmt::format("layer {} of {} {} ({}), and has no costs for prompts that {} GPUs share; 1 would do", layer,
                         model->name, spec::keeps_state(kind) ? "keeps a state" : "makes entries of several tokens",
                         name_of(kind), p.context));
}

void at_most(const Config& config, std::string_view key, Time value, Time most) {
  if (value > most) config.fail_below(key, fmt::format("expected at most {}, got {}", to_text(most), to_text(value)));
}

void check_autoscale(const Config& config, const Autoscale& autoscale) {
  if (autoscale.period.v <= 0) config.fail_below("autoscale.period", "must be above 0 s");
  if (autoscale.check.v <= 0) config.fail_below("autoscale.check", "must be above 0 s");
  if (autoscale.check < kLeastCheck)
    config.fail_below("autoscale.check",
                      fmt::format("expected at least {}, got {}", to_text(kLeastCheck), to_text(autoscale.check)));
  at_most(config, "autoscale.start", autoscale.start, kLongest);
  for (std::size_t i = 0; i < autoscale.curve.size(); ++i)
    if (const double v = autoscale.curve[i]; !(v >= 0 && v <= 1))
      config.fail_below(fmt::format("autoscale.curve[{}]", i), fmt::format("shares lie between 0 and 1, got {}", v));
}
}  // namespace

void check_pool(const Config& config, const PoolSection& s, const spec::Model* model) {
  const Parallel& p = s.parallel;
  at_least_one(config, "instances", s.instances);
  at_least_one(config, "parallel.tensor", p.tensor);
  at_least_one(config, "parallel.data", p.data);
  at_least_one(config, "parallel.pipeline", p.pipeline);
  at_least_one(config, "parallel.context", p.context);
  at_least_one(config, "kv.block", s.kv.block);
  within(config, "instances", s.instances, 1, kMostInstances);
  within(config, "parallel.tensor", p.tensor, 1, kMostWays);
  within(config, "parallel.data", p.data, 1, kMostWays);
  within(config, "parallel.pipeline", p.pipeline, 1, kMostWays);
  within(config, "parallel.context", p.context, 1, kMostWays);
  if (const std::int64_t gpus = std::int64_t{p.tensor} * p.data * p.pipeline * p.context; gpus > kMostInstances)
    config.fail_below("parallel", fmt::format("an instance has at most {} GPUs, got {}", kMostInstances, gpus));
  within(config, "kv.block", s.kv.block, 1, kMostBlock);
  within(config, "kv.capacity", s.kv.capacity, 0, std::int64_t{1} << 50);
  if (const double share = s.kv.memory_share.value_or(1); !(share > 0 && share <= 1))
    config.fail_below("kv.memory_share", fmt::format("expected above 0 and at most 1, got {}", share));
  if (!(s.kv.watermark >= 0 && s.kv.watermark < 1))
    config.fail_below("kv.watermark", fmt::format("expected at least 0 and below 1, got {}", s.kv.watermark));
  at_most(config, "start_up", s.start_up, kLongest);
  at_most(config, "overhead", s.overhead.value_or(Time{}), kLongest);
  if (s.bank.samples.value_or(1) > 10'000)
    config.fail_below("bank.samples", fmt::format("expected 1 to 10000, got {}", *s.bank.samples));
  if (s.bank.ratio > 1 && !(s.bank.ratio >= 1.001 && s.bank.ratio <= 1000))
    config.fail_below("bank.ratio", fmt::format("expected 1.001 to 1000, got {}", s.bank.ratio));
  within(config, "bank.redraw", s.bank.redraw.value_or(0), 0, std::int64_t{1} << 50);
  check_autoscale(config, s.autoscale);
  check_context(config, s, model);
  check_growth(config, s);
  if (model == nullptr) return;
  if (model->attention.heads % p.tensor != 0)
    config.fail_below("parallel.tensor", fmt::format("must divide the {} attention heads of {}, got {}",
                                                     model->attention.heads, model->name, p.tensor));
  if (p.pipeline > model->layers)
    config.fail_below("parallel.pipeline",
                      fmt::format("at most the {} layers of {}, got {}", model->layers, model->name, p.pipeline));
  if (p.experts_tensor && p.data > 1)
    config.fail_below("parallel.experts_tensor", "needs data 1, since every rank's tokens visit all experts");
  if (model->moe && !p.experts_tensor && p.stage_gpus() > 1 && model->moe->experts < 1)
    config.fail_below("parallel", "the model has no experts to spread");
}

ChosenEngine engine_of(const Config& section, const Config& pool) {
  for (const Config& where : {pool, section})
    if (where.has("engine")) return {forward::read_engine(where.at("engine")), true};
  section.resolve("engine", forward::kUsualEngine);
  return {forward::load_engine(std::string(forward::kUsualEngine)), false};
}

forward::StepSetup setup_of(const Config& config, const PoolSection& s, const spec::Model& model, const spec::Gpu& gpu,
                            const forward::Engine& engine) {
  const Parallel& p = s.parallel;
  const std::optional<compute::StepPhase> phase = phase_of(s.role);
  const forward::ChosenPrecision precision = forward::choose_precision(s.precision, model, gpu, phase);
  forward::check_precision(config, precision.formats, gpu);
  forward::check_indexer(config, model, gpu);
  const int block = block_of_slices(config, p, model, precision.formats.stored_experts());
  const bool exchanges = model.moe && !p.experts_tensor && p.stage_gpus() > 1;
  check_overlap(config, s, model, exchanges);
  return forward::set_up({.model = model,
                          .gpu = gpu,
                          .phase = phase,
                          .precision = precision,
                          .tensor = p.tensor,
                          .expert_tensor = p.experts_tensor ? p.tensor : 1,
                          .expert_block = block,
                          .whole_tokens = p.experts_tensor,
                          .graphs = s.graphs.value_or(s.role != Role::prefill),
                          .exchange = network::read_exchange(config, "exchange_sms", gpu.sms),
                          .engines_exchange = s.role == Role::decode ? engine.decode_exchange : engine.prefill_exchange,
                          .exchange_sms = s.exchange_sms,
                          .exchanges = exchanges,
                          .overlapped = exchanges && s.overlap != OverlapKind::none});
}
}  // namespace moesim::serving
