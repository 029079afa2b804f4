#include "sizing/enumerate.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/ceil_div.h"
#include "forward/engine.h"
#include "runs/parallel.h"
#include "serving/deployment/pool_memory.h"
#include "sizing/instance_shapes.h"

namespace moesim::sizing {
namespace {
using serving::OverlapKind;
using serving::Role;

/// Proposals that share weights and routing, and so a model of an instance.
struct Family {
  const PricedNode* node;
  std::string engine;
  PoolDesign base;
  std::string refused;
  bool overlaps = false;  // where the plan does not ask
};

bool is_deepep(network::ExchangeKernel kernel) {
  return kernel == network::ExchangeKernel::deepep_normal || kernel == network::ExchangeKernel::deepep_low_latency;
}

/// Whether an engine has two micro-batches that hide each other's exchanges: SGLang and vLLM with DeepEP's exchanges
/// alone, TensorRT-LLM not (SGLang, server arguments, enable-two-batch-overlap; vLLM docs, dual batch overlap).
bool overlaps_as_it_exchanges(const std::string& engine, Role role, const spec::Node& node) {
  return is_deepep(exchange_of(engine, role, node));
}

/// Slots of experts that a plan's redundancy comes to on so many GPUs.
std::vector<int> slot_counts(const Plan& plan, int gpus) {
  if (!plan.model.moe) return {0};
  const int experts = plan.model.moe->experts;
  std::vector<int> out;
  for (const int more : or_else(plan.section.candidates.redundant, {0, experts / 8})) {
    const int slots = gpus > 1 ? ceil_div(experts + more, gpus) * gpus : experts;
    if (std::ranges::find(out, slots) == out.end()) out.push_back(slots);
  }
  return out;
}

void add_families(const Plan& plan, const PricedNode& node, const std::string& engine, Role role,
                  std::vector<Family>& out) {
  const bool overlaps = overlaps_as_it_exchanges(engine, role, node.node);
  for (const Variant& variant : plan.variants)
    for (const InstanceShape& s : instance_shapes(plan, node)) {
      PoolDesign d{.role = role, .tensor = s.tensor, .data = s.data, .pipeline = s.pipeline, .variant = variant};
      d.experts_tensor = plan.model.moe && s.expert < d.stage_gpus();
      for (const int slots :
           d.experts_tensor ? std::vector{plan.model.moe->experts} : slot_counts(plan, d.stage_gpus())) {
        d.slots = slots;
        std::string illegal = s.obstacle;
        if (illegal.empty() && plan.model.moe && !d.experts_tensor && d.stage_gpus() > slots)
          illegal = fmt::format("layout: {} GPUs for {} slots of experts", d.stage_gpus(), slots);
        out.push_back({&node, engine, d, illegal, overlaps});
      }
    }
}

std::vector<OverlapKind> overlaps(const Plan& plan, const Family& family) {
  const PoolDesign& d = family.base;
  const bool exchanges = plan.model.moe && !d.experts_tensor && d.stage_gpus() > 1;
  const std::vector<OverlapKind>& asked = plan.section.candidates.overlap;
  std::vector<OverlapKind> out;
  for (const OverlapKind kind : {OverlapKind::none, OverlapKind::two_batch, OverlapKind::five_stage}) {
    const bool fits = kind == OverlapKind::none ||
                      (exchanges && kind == OverlapKind::two_batch && d.role == Role::prefill) ||
                      (exchanges && kind == OverlapKind::five_stage && d.role == Role::decode);
    if (!fits) continue;
    if (asked.empty() ? kind == OverlapKind::none || family.overlaps : std::ranges::find(asked, kind) != asked.end())
      out.push_back(kind);
  }
  if (out.empty()) out.push_back(OverlapKind::none);
  return out;
}

/// All batches and overlaps of a family.
std::vector<Proposal> members(const Plan& plan, const Family& family) {
  const Candidates& c = plan.section.candidates;
  const Role role = family.base.role;
  std::vector<int> batches = or_else(c.batch, {16, 32, 64, 128, 256, 512});
  std::vector<int> tokens =
      or_else(c.tokens, role == Role::prefill ? std::vector{8192, 16384} : std::vector{2048, 8192});
  if (role == Role::prefill) batches = {std::ranges::max(batches)};
  if (role == Role::decode) tokens = {std::ranges::max(tokens)};
  std::vector<Proposal> out;
  for (const OverlapKind overlap : overlaps(plan, family))
    for (const int batch : batches)
      for (const int t : tokens) {
        Proposal p{family.node, family.engine, family.base, {}};
        p.design.batch = batch;
        p.design.tokens = t;
        p.design.overlap = overlap;
        out.push_back(std::move(p));
      }
  return out;
}

/// A refusal's place is in a scenario that nobody wrote.
std::string without_place(const std::string& problem) {
  const std::size_t at = problem.find("serving.");
  const std::size_t colon = at == std::string::npos ? at : problem.find(": ", at);
  return colon == std::string::npos ? problem : problem.substr(colon + 2);
}

/// Why a pool cannot be built.
std::string why(const ConfigError& e) {
  const bool memory = dynamic_cast<const serving::TooLittleMemory*>(&e) != nullptr;
  return (memory ? "memory: " : "layout: ") + without_place(e.problem());
}

void price(const Plan& plan, const Family& family, SharedParts& shared, std::vector<Proposal>& all) {
  std::string refused = family.refused;
  std::unique_ptr<UnitModel> model;
  if (refused.empty()) try {
      PoolDesign smallest = family.base;
      smallest.batch = 1;  // what does not fit for want of buffers is found batch by batch
      smallest.tokens = all.front().design.tokens;
      model = std::make_unique<UnitModel>(plan, *family.node, family.engine, smallest, shared);
    } catch (const ConfigError& e) {
      refused = why(e);
    }
  for (Proposal& p : all) {
    if (!refused.empty()) {
      p.steady.refused = refused;
      continue;
    }
    try {
      p.steady = steady_of(plan, *model, p.design);
    } catch (const ConfigError& e) {
      p.steady.refused = why(e);
    }
  }
}
}  // namespace

bool has_deepep(const spec::Node& node) {
  // DeepEP, issue 162 (README: Hopper; kernels within a node could run on Ampere with NVLink, "PCIe not working") and
  // pull request 517 (of A800 none between nodes).
  return node.gpu.generation != "ampere" && node.gpu.generation != "ada" && node.gpu.nvlink > node.pcie;
}

network::ExchangeKernel exchange_of(const std::string& engine, Role role, const spec::Node& node) {
  const forward::Engine e = forward::load_engine(engine);
  const network::ExchangeKernel kernel = role == Role::decode
                                             ? e.decode_exchange.value_or(network::ExchangeKernel::deepep_low_latency)
                                             : e.prefill_exchange.value_or(network::ExchangeKernel::deepep_normal);
  // SGLang docs, expert parallelism: --moe-a2a-backend none, the default, gathers tokens
  return is_deepep(kernel) && !has_deepep(node) ? network::ExchangeKernel::all_gather : kernel;
}

std::vector<Proposal> propose(const Plan& plan, int jobs) {
  std::vector<Family> families;
  const Candidates& c = plan.section.candidates;
  const auto has = [&](Layout layout) { return std::ranges::find(c.layouts, layout) != c.layouts.end(); };
  for (const PricedNode& node : plan.nodes)
    for (const std::string& engine : c.engines) {
      if (has(Layout::aggregated)) add_families(plan, node, engine, Role::both, families);
      if (has(Layout::disaggregated))
        for (const Role role : {Role::prefill, Role::decode}) add_families(plan, node, engine, role, families);
    }
  std::vector<std::vector<Proposal>> priced(families.size());
  SharedParts shared;
  const bool all = runs::run_all("layouts", families.size(), jobs, [&](std::size_t i) {
    priced[i] = members(plan, families[i]);
    price(plan, families[i], shared, priced[i]);
  });
  if (!all) stop_if_interrupted();
  std::vector<Proposal> out;
  for (std::vector<Proposal>& some : priced)
    for (Proposal& p : some) out.push_back(std::move(p));
  return out;
}
}  // namespace moesim::sizing
