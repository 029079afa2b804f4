#include "compute/layers/explain.h"

#include <fmt/format.h>

#include <algorithm>

#include "compute/layers/even_rows.h"
#include "compute/layers/index_kernels.h"
#include "compute/layers/operation_list.h"
#include "compute/layers/prompt_parts.h"
#include "spec/arithmetic.h"

namespace moesim::compute {
namespace {
[[noreturn]] void refuse(const std::string& why) { throw ConfigError(why); }

void at_least(std::string_view what, std::int64_t least, std::int64_t value) {
  if (value < least) refuse(fmt::format("{}: expected at least {}, got {}", what, least, value));
}

std::vector<SequenceGroup> groups_of(const ExplainRequest& r) {
  if (!r.lengths.empty()) return r.lengths;
  return {{r.sequences, r.phase == StepPhase::decode ? r.context : r.tokens}};
}

void check_sequences(const ExplainRequest& r) {
  const bool decode = r.phase == StepPhase::decode;
  at_least("sequences", 1, r.sequences);
  at_least("tokens", 1, r.tokens);
  at_least("context", 0, r.context);
  if (r.phase == StepPhase::training && r.context > 0) refuse("context: training has none cached");
  std::int64_t all = 0;
  for (const SequenceGroup& g : groups_of(r)) {
    at_least("lengths: sequences", 1, g.count);
    at_least("lengths: tokens", decode ? 0 : 1, g.length);
    const std::int64_t added = decode ? r.tokens : r.context, positions = r.model.max_positions;
    if (positions > 0 && g.length > positions - added)
      refuse(fmt::format("context + tokens = {} is beyond the {} positions of {}", g.length + added, positions,
                         r.model.name));
    const std::int64_t each = decode ? r.tokens : g.length;
    if (g.count > 100'000'000 / each - all) refuse("sequences x tokens: expected at most 100,000,000");
    all += g.count * each;
  }
}

void check_precisions(const ExplainRequest& r, const spec::Gpu& gpu) {
  const Precisions& p = r.options.precision;
  for (const auto& [what, dtype] :
       {std::pair("linear layers", p.linear), std::pair("attention projections", p.of_projections()),
        std::pair("experts", p.of_experts()), std::pair("attention", p.attention)})
    if (!spec::computes_in(gpu, dtype))
      refuse(fmt::format("precision of {}: {} has no {} arithmetic", what, gpu.name, name_of(dtype)));
  if (const std::string missing = missing_for_indexers(r.model, gpu); !missing.empty()) refuse(missing);
  if (p.kv_cache != spec::Dtype::bf16 && p.kv_cache != spec::Dtype::fp8)
    refuse(fmt::format("precision of the KV cache: expected bf16 or fp8, got {}", name_of(p.kv_cache)));
}

void check_request(const ExplainRequest& r, const spec::Gpu& gpu) {
  const spec::Model& m = r.model;
  if (!m.unpublished.empty()) refuse(fmt::format("{} has no published shape: {}", m.name, m.unpublished));
  if (!m.can_run()) refuse(fmt::format("{} cannot be run: {}", m.name, m.obstacle()));
  if (r.layer && (*r.layer < 0 || *r.layer >= m.layers))
    refuse(fmt::format("layer: {} has layers 0 to {}, got {}", m.name, m.layers - 1, *r.layer));
  if (!r.batch) check_sequences(r);
  if (!m.moe && r.expert_parallel != 1)
    refuse(fmt::format("expert parallelism: {} is a dense model, got {}", m.name, r.expert_parallel));
  if (m.moe && (r.expert_parallel < 1 || (r.slots == 0 && m.moe->experts % r.expert_parallel != 0)))
    refuse(fmt::format("expert parallelism: must divide the {} experts of {}, got {}", m.moe->experts, m.name,
                       r.expert_parallel));
  if (r.share.sms < 0 || r.share.sms > gpu.sms)
    refuse(fmt::format("SMs: {} has {}, got {}", gpu.name, gpu.sms, r.share.sms));
  if (!r.beside.empty() && (r.share.sms == 0 || r.share.sms == gpu.sms))
    refuse(fmt::format("beside: {} needs SMs of its own; leave it some of the {}", r.beside, gpu.sms));
  check_precisions(r, gpu);
}

int layer_of(const ExplainRequest& r) {
  if (r.layer) return *r.layer;
  const std::vector<int> moe = r.model.moe_layers();
  return moe.empty() ? 0 : moe.front();
}

// Every token attends to every other of its sequence.
void uncover(AttentionWork& work, const ExplainRequest& r) {
  work = {.sequences = work.sequences, .queries = work.queries, .keys = work.keys, .longest = work.longest};
  for (const SequenceGroup& g : groups_of(r))
    work.pairs += double(g.count) * double(g.length) * double(g.length + r.context);
}

Batch batch_of(const ExplainRequest& r) {
  if (r.batch) return *r.batch;
  Batch batch;
  for (const SequenceGroup& g : groups_of(r)) {
    if (r.phase == StepPhase::decode)
      add_decode(batch, r.model, g.length, r.tokens, g.count);
    else
      add_prefill(batch, r.model, g.length, r.context, g.count);
    batch.outputs += g.count * (r.phase == StepPhase::decode ? r.tokens : 1);
  }
  if (r.phase == StepPhase::training) batch.outputs = batch.tokens;
  if (!r.causal && r.phase != StepPhase::decode) uncover(batch.prefill, r);
  return r.parts > 1 ? prompt_part(batch, 0, r.parts) : batch;
}

CachedTokens cached_by(const ExplainRequest& r) {
  CachedTokens out;
  for (const SequenceGroup& g : groups_of(r)) {
    const CachedTokens these =
        cached_tokens(r.model, g.count, g.length + (r.phase == StepPhase::decode ? r.tokens : r.context));
    out.all += these.all, out.windowed += these.windowed, out.sequences += these.sequences;
  }
  return out;
}

// The GPU's even part, spread over its experts.
std::vector<std::int64_t> rows_of_slots(const ExplainRequest& r, std::int64_t tokens, int slots) {
  std::vector<std::int64_t> rows(std::size_t(slots), 0);
  const std::int64_t all = even_rows(r.model, tokens, r.options);
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = all / slots + (std::int64_t(i) < all % slots);
  return rows;
}

HeldLayers held_by(const ExplainRequest& r, int slots) {
  if (r.held) return *r.held;
  HeldLayers held;
  for (int layer = 0; layer < r.model.layers; ++layer) held.layers.push_back(layer);
  held.embedding = held.head = true;
  held.experts = slots;
  return held;
}

std::vector<Pass> passes_of(const ExplainRequest& r) {
  if (r.phase != StepPhase::training) return {Pass::forward};
  return {Pass::forward, Pass::backward_input, Pass::weight_gradient};
}

void add_pass(Explanation& out, const ExplainRequest& r, const HeldLayers& held, const KernelModel& kernels) {
  std::vector<Operation> operations;
  for (const Pass pass : passes_of(r)) {
    const auto append = [&](int layer, LayerPart part) {
      append_operations(operations, r.model, layer, part, pass, out.batch, out.rows, r.options);
    };
    if (held.embedding) append(0, LayerPart::embedding);
    for (const int layer : held.layers)
      for (const LayerPart part : parts_of(r.model, layer)) append(layer, part);
    if (held.mtp) append(0, LayerPart::mtp);
    if (held.head) append(0, LayerPart::head);
  }
  KernelCosts costs(kernels, 1024);
  out.pass.layers = int(held.layers.size());
  out.pass.time = total_time(operations, costs, r.share);
  for (const Operation& o : operations)
    out.pass.flops += o.flops, out.pass.useful += o.useful, out.pass.bytes += o.bytes;
}

void add_memory(Explanation& out, const ExplainRequest& r, const HeldLayers& held) {
  std::int64_t rows = 0;
  for (const std::int64_t x : out.rows) rows += x;
  const Bytes row = tensor_bytes(r.model.row_width(), r.options.precision.dispatched()) +
                    tensor_bytes(r.model.row_width(), spec::Dtype::bf16);
  const Bytes buffers = r.buffers            ? *r.buffers
                        : r.exchange_buffers ? r.exchange_buffers(out.batch.tokens, rows)
                                             : row * rows;
  if (r.phase != StepPhase::training) {
    out.memory = serving_memory(r.model, held, cached_by(r), out.batch, rows, r.options, buffers);
    return;
  }
  out.layer_activations = layer_activations(r.model, out.layer, out.batch, rows, r.options);
  const std::vector<double> in_flight = r.in_flight.empty() ? std::vector(held.layers.size(), 1.0) : r.in_flight;
  out.activations = held_activations(r.model, held, out.batch, rows, in_flight, r.options);
  out.activations.insert(out.activations.end(), r.other_activations.begin(), r.other_activations.end());
  out.memory = training_memory(r.model, held, r.state, out.batch, rows, sum_of(out.activations), r.options, buffers);
}

// Each operation's time next to `beside`, which runs on the other SMs without end.
void slow_down(Explanation& out, const ExplainRequest& r, const KernelModel& kernels) {
  std::vector<std::string_view> names;
  for (const ExplainedOperation& o : out.operations) names.push_back(o.operation.name);
  const auto at = std::ranges::find(names, r.beside);
  if (at == names.end())
    refuse(fmt::format("beside: no operation is called \"{}\"{}", r.beside, suggestion(r.beside, names, "there are")));
  const Kernel other = out.operations[std::size_t(at - names.begin())].operation.kernel;
  for (ExplainedOperation& o : out.operations)
    o.cost = cost_together(kernels, o.operation.kernel, r.share.sms, other, kernels.gpu().sms - r.share.sms).first;
}
}  // namespace

Explanation explain(const ExplainRequest& r, const KernelModel& kernels) {
  check_request(r, kernels.gpu());
  Explanation out;
  out.layer = layer_of(r);
  out.batch = batch_of(r);
  out.reads = spec::layer_shape(r.model, out.layer).attention.reads;
  const int slots = r.model.moe ? (r.slots > 0 ? r.slots : r.model.moe->experts / r.expert_parallel) : 0;
  if (slots > 0) out.rows = rows_of_slots(r, out.batch.tokens, slots);
  std::vector<Operation> operations;
  for (const Pass pass : passes_of(r))
    for (const LayerPart part : parts_of(r.model, out.layer))
      append_operations(operations, r.model, out.layer, part, pass, out.batch, out.rows, r.options);
  for (const Operation& o : operations) out.operations.push_back({o, kernels.cost(o.kernel, r.share)});
  if (!r.beside.empty()) slow_down(out, r, kernels);
  for (const ExplainedOperation& o : out.operations) out.total += o.cost.time;
  const HeldLayers held = held_by(r, slots);
  add_pass(out, r, held, kernels);
  add_memory(out, r, held);
  return out;
}
}  // namespace moesim::compute
