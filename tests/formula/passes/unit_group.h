// Two GPUs, one byte a row, one byte a second, one second a row and product of the experts: what a pass takes can be
// worked out in the head.
#pragma once
#include <gtest/gtest.h>

#include <limits>

#include "passes/group_run.h"

namespace moesim::passes {

/// The experts' products take one second a row each (gate-up and down).  Where told so, attention takes some seconds
/// whatever it reads, and so does the network that every token uses.
class SecondARow final : public compute::KernelModel {
 public:
  struct Fixed {
    double prefill = 0, decode = 0;  // attention
    double shared = 0;               // shared expert, or a dense layer's network
  };
  explicit SecondARow(spec::Gpu gpu, Fixed fixed = {0, 0, 0}) : compute::KernelModel(std::move(gpu)), fixed_(fixed) {}
  std::string source() const override { return "one second a row"; }
  static constexpr int kSharedWidth = 32;  // no other product has so many columns to sum over

 private:
  Estimate estimate(const compute::Kernel& kernel, compute::GpuShare) const override {
    double rows = 0;
    if (const auto* experts = std::get_if<compute::GroupedGemm>(&kernel))
      for (std::int64_t r : experts->rows) rows += double(r);
    if (std::holds_alternative<compute::AttentionPrefill>(kernel)) rows = fixed_.prefill;
    if (std::holds_alternative<compute::AttentionDecode>(kernel)) rows = fixed_.decode;
    if (const auto* gemm = std::get_if<compute::Gemm>(&kernel); gemm && gemm->k == kSharedWidth) rows = fixed_.shared;
    return {rows, {}};
  }
  Fixed fixed_;
};

/// GPU 0 sends one token to expert 0 (its own) and three to expert 1; GPU 1 keeps its four on expert 1.
class FixedTraffic final : public routing::TrafficSource {
 public:
  void shares(int, std::int64_t, std::span<double> out) const override {
    out[0] = 1.0 / 8;
    out[1] = 7.0 / 8;
  }
  void draw_load(int, std::int64_t, std::int64_t, std::span<double> out) const override {
    out[0] = 1;
    out[1] = 7;
  }
  void draw(int, std::int64_t, std::span<const std::int32_t> tokens, routing::Traffic& out) const override {
    out.gate = {2, 1, 1, 1};
    out.sources = 2;
    out.tokens.assign(tokens.begin(), tokens.end());
    out.choices = {0, 1, 1, 1, 1, 1, 1, 1};
    routing::count_rows(out.gate, out);
  }
};

inline spec::Model one_layer() {
  spec::Model m;
  m.name = "unit";
  m.vocabulary = 2;
  m.hidden = 128;
  m.layers = 1;
  m.attention.heads = m.attention.kv_heads = 1;
  m.attention.head_dim = m.attention.v_head_dim = 64;
  m.moe.emplace();
  m.moe->expert_width = 128;
  m.moe->experts = 2;
  m.moe->top_k = 1;
  m.max_positions = 16;
  return m;
}

inline spec::Cluster unit_cluster() {
  constexpr double kInfinite = std::numeric_limits<double>::infinity();
  spec::Cluster c;
  c.node.gpus = 2;
  c.node.nics = 2;
  c.node.gpu.sms = 1;
  c.node.gpu.nvlink = {1};
  c.node.gpu.bf16 = {kInfinite};  // nothing takes time but what the kernel model says
  c.node.gpu.memory_bandwidth = {kInfinite};
  c.node.nic = {1};
  c.node.pcie = {1e9};
  return c;
}

/// A phase whose exchanges carry one byte a row.
inline GroupRun::Phase unit_phase(const std::string& name, int steps, const routing::TrafficSource& traffic) {
  GroupRun::Phase phase;
  phase.name = name;
  phase.steps = steps;
  phase.setup.dispatch = {network::ExchangeKernel::deepep_normal, network::ExchangeDirection::dispatch, 1_B, 1, true};
  phase.setup.combine = {network::ExchangeKernel::deepep_normal, network::ExchangeDirection::combine, 1_B, 1, true};
  phase.traffic = &traffic;
  return phase;
}
}  // namespace moesim::passes
