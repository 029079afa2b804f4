// The forward pass against OpenBLAS's own rate on the same products, in one run.  Counters: "of sgemm" is the share of
// that rate, "gate and gather" the share of the layer's time that goes into choosing and moving tokens.
#include <benchmark/benchmark.h>

#include <chrono>
#include <functional>

#include "numerics/compressed/compressed_pass.h"
#include "numerics/pass/expert.h"
#include "numerics/pass/forward.h"
#include "numerics/pass/gate_policy.h"
#include "numerics/synthetic/synthetic.h"
#include "spec/catalogue.h"
#include "spec/scale.h"

namespace moesim::numerics {
namespace {
using Clock = std::chrono::steady_clock;

double seconds_of(const std::function<void()>& work) {
  const auto start = Clock::now();
  work();
  return std::chrono::duration<double>(Clock::now() - start).count();
}
/// The least of several runs: what the machine does when nothing else does.
double least(int repeats, const std::function<void()>& work) {
  double best = 1e9;
  for (int i = 0; i < repeats; ++i) best = std::min(best, seconds_of(work));
  return best;
}

struct Product {
  int rows, inner, outputs;
  double flops() const { return 2.0 * rows * inner * outputs; }
};

/// Seconds OpenBLAS takes for the products with its own two threads, each as one call.
double sgemm_seconds(const std::vector<Product>& products) {
  std::size_t a = 0, b = 0, c = 0;
  for (const Product& p : products) {
    a = std::max(a, std::size_t(p.rows) * std::size_t(p.inner));
    b = std::max(b, std::size_t(p.inner) * std::size_t(p.outputs));
    c = std::max(c, std::size_t(p.rows) * std::size_t(p.outputs));
  }
  const std::vector<float> x(a, 0.5F), w(b, 0.25F);
  std::vector<float> y(c);
  const numerics::UseProducts openblas(numerics::Products::openblas);
  numerics::set_blas_threads(2);
  const double time = least(3, [&] {
    for (const Product& p : products)
      numerics::multiply_transposed({x.data(), p.rows, p.inner, p.inner}, {w.data(), p.outputs, p.inner, p.inner},
                                    y.data(), p.outputs);
  });
  numerics::set_blas_threads(1);
  return time;
}

/// DeepSeek-V2-Lite with one dense and one MoE layer in full width.
spec::Model v2_lite_layers() {
  spec::Model m = spec::load_model("deepseek-v2-lite");
  m.layers = 2;
  m.vocabulary = 512;
  return m;
}

numerics::SyntheticOptions without_warm_up() {
  numerics::SyntheticOptions o;
  o.warm_up_tokens = 0;
  return o;
}

/// Random hidden states of unit size.
numerics::Matrix hidden_states(int rows, int columns) {
  numerics::Matrix h(rows, columns);
  std::uint32_t state = 1;
  for (float& v : h.values) v = float(int((state = state * 1664525U + 1013904223U) >> 8)) * 0x1p-23F - 1;
  return h;
}

/// What run_experts does besides multiplying: every choice's row gathered, every token's rows combined.
void move_tokens(const numerics::Machine& machine, const spec::Model& model, const numerics::Routing& routing,
                 const numerics::Matrix& h, numerics::Matrix& out) {
  static std::vector<numerics::Matrix> rows(8);
  static numerics::Matrix results;
  numerics::resize(results, routing.tokens * routing.top_k, h.columns);
  std::vector<int> choices(routing.experts.size());
  for (std::size_t i = 0; i < choices.size(); ++i) choices[i] = int(i);
  numerics::each_block(machine, int(choices.size()), 96, [&](int first, int count) {
    numerics::gather(model, routing, std::span(choices).subspan(std::size_t(first), std::size_t(count)), h,
                     rows[std::size_t(first / 96 % 8)]);
  });
  numerics::combine(machine, model, routing, results, out);
}

void moe_layer(benchmark::State& state) {
  const int tokens = 1024, layer = 1;
  const spec::Model model = v2_lite_layers();
  const spec::MoeShape& moe = *model.moe;
  numerics::SyntheticWeights weights(model, without_warm_up());
  numerics::Threads threads(2);
  const numerics::Machine machine{threads, numerics::fp32_arithmetic()};
  numerics::WeightScratch scratch;
  std::vector<numerics::WeightScratch> worker_scratch(2);
  const numerics::LayerWeights w = numerics::layer_weights(model, weights, layer, scratch);
  const numerics::Matrix h = hidden_states(tokens, model.hidden);
  numerics::Matrix logits, out;
  numerics::Routing routing;
  const auto choose = [&] {
    numerics::linear(machine, h.view(), w.router, numerics::LinearRole::router, logits);
    numerics::choose_as_published({machine, moe, layer, h, logits, nullptr}, routing);
  };
  choose();
  numerics::run_experts(machine, model, weights, layer, routing, h, worker_scratch,
                        out = numerics::Matrix(tokens, model.hidden));
  std::vector<Product> products(3, {tokens, model.hidden, moe.shared_experts * moe.expert_width});
  std::vector<int> load(std::size_t(moe.experts));
  for (const int e : routing.experts) ++load[std::size_t(e)];
  for (const int rows : load)
    if (rows > 0)
      for (int i = 0; i < 3; ++i) products.push_back({rows, model.hidden, moe.expert_width});
  double layer_time = 1e9, gate_time = 1e9, flops = 0;
  for (const Product& p : products) flops += p.flops();
  for (auto _ : state) {
    const double gate = seconds_of(choose);
    const double experts = seconds_of([&] {
      numerics::feed_forward(machine, w.shared, {}, numerics::LinearRole::shared, h, out);
      numerics::run_experts(machine, model, weights, layer, routing, h, worker_scratch, out);
    });
    gate_time = std::min(gate_time, gate);
    layer_time = std::min(layer_time, gate + experts);
  }
  const double moved = least(3, [&] { move_tokens(machine, model, routing, h, out); });
  state.counters["of sgemm"] = sgemm_seconds(products) / layer_time;
  state.counters["gate and gather"] = (gate_time + moved) / layer_time;
  state.counters["GFLOP/s"] = flops / layer_time * 1e-9;
}
BENCHMARK(moe_layer)
    ->Name("V2-Lite MoE layer, 1024 tokens")
    ->Iterations(5)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

/// All products of a pass over one sequence, attention by its 64-row blocks.
std::vector<Product> products_of(const spec::Model& m, int tokens, const std::vector<std::vector<int>>& loads) {
  std::vector<Product> out;
  const spec::AttentionShape& a = m.attention;
  for (int layer = 0; layer < m.layers; ++layer) {
    for (const numerics::PartShape& p : numerics::layer_parts(m, layer))
      if (p.rows > 1) out.push_back({tokens, p.columns, p.rows});
    for (int head = 0; head < a.heads; ++head)
      for (int first = 0; first < tokens; first += 64) {
        const int rows = std::min(64, tokens - first);
        out.push_back({rows, a.head_dim, first + rows});
        out.push_back({rows, first + rows, a.v_head_dim});
      }
  }
  for (const auto& load : loads)
    for (const int rows : load)
      if (rows > 0)
        for (int i = 0; i < 3; ++i) out.push_back({rows, m.hidden, m.moe->expert_width});
  return out;
}

void forward_pass(benchmark::State& state, spec::Model model, int tokens) {
  numerics::SyntheticWeights weights(model, without_warm_up());
  numerics::Forward forward(model, weights, {.threads = 2});
  std::vector<int> ids(static_cast<std::size_t>(tokens));
  for (int i = 0; i < tokens; ++i) ids[std::size_t(i)] = 'a' + i * i % 26;
  std::vector<std::vector<int>> loads;
  const auto pass = [&](bool observe) {
    numerics::KvCache cache = forward.new_cache();
    const numerics::Segment segment{&cache, 0, tokens};
    forward.run(ids, {&segment, 1}, [&](int, const numerics::Routing& r) {
      if (!observe) return;
      loads.emplace_back(std::size_t(model.moe->experts));
      for (const int e : r.experts) ++loads.back()[std::size_t(e)];
    });
  };
  pass(true);
  double time = 1e9;
  for (auto _ : state) time = std::min(time, seconds_of([&] { pass(false); }));
  const std::vector<Product> products = products_of(model, tokens, loads);
  double flops = 0;
  for (const Product& p : products) flops += p.flops();
  state.counters["of sgemm"] = sgemm_seconds(products) / time;
  state.counters["tokens/s"] = tokens / time;
  state.counters["GFLOP/s"] = flops / time * 1e-9;
}
void v2_lite_pass(benchmark::State& state) { forward_pass(state, v2_lite_layers(), 1024); }
void scaled_v3_pass(benchmark::State& state) {
  spec::Scale scale;
  scale.factor = 16;
  spec::Model model = spec::scaled(spec::load_model("deepseek-v3"), scale);
  model.layers = 12;  // nine MoE layers
  model.mtp_layers = 0;
  forward_pass(state, model, 1024);
}

/// DeepSeek-V4-Flash in full width, a 16th of its experts, so that they fit the memory of a desk: a layer over entries
/// of 4 tokens with an indexer, and one over entries of 128.
CompressedShape v4_flash_layers() {
  spec::Model model = spec::load_model("deepseek-v4-flash");
  CompressedShape out = compressed_shape(model);
  out.layers = 2, out.ratios = {4, 128}, out.hashed_layers = 0;
  out.vocabulary = 512, out.experts = 16;
  return out;
}

/// Of a layer's attention; cores by blocks of 64 tokens, all heads of which share one key.
void add_attention_products(const CompressedShape& s, int layer, int tokens, std::vector<Product>& out) {
  const int ratio = s.ratios[std::size_t(layer)], width = s.heads * s.head_dim;
  out.insert(out.end(), {{tokens, s.hidden, s.query_rank},
                         {tokens, s.query_rank, width},
                         {tokens, s.hidden, s.head_dim},
                         {tokens, s.groups * s.group_rank, s.hidden}});
  for (int group = 0; group < s.groups; ++group) out.push_back({tokens, width / s.groups, s.group_rank});
  const int twice = s.has_indexer(layer) ? 2 : 1;  // entries that overlap have a column for each of the two
  for (int i = 0; i < 2; ++i) out.push_back({tokens, s.hidden, twice * s.head_dim});
  if (s.has_indexer(layer)) {
    for (int i = 0; i < 2; ++i) out.push_back({tokens, s.hidden, twice * s.index_dim});
    out.push_back({tokens, s.query_rank, s.index_heads * s.index_dim});
    out.push_back({tokens, s.hidden, s.index_heads});
  }
  for (int first = 0; first < tokens; first += 64) {
    const int rows = std::min(64, tokens - first), entries = (first + rows) / ratio;
    const int keys = std::min(first + rows, s.window + rows - 1) + entries;
    out.push_back({rows * s.heads, s.head_dim, keys});
    out.push_back({rows * s.heads, keys, s.head_dim});
    if (s.has_indexer(layer)) out.push_back({rows * s.index_heads, s.index_dim, std::max(1, entries)});
  }
}

void v4_flash_pass(benchmark::State& state) {
  const int tokens = 1024;
  const CompressedShape shape = v4_flash_layers();
  const CompressedTensors tensors(shape, std::uint64_t{1});
  CompressedForward forward(shape, tensors, 2);
  std::vector<int> ids(static_cast<std::size_t>(tokens));
  for (int i = 0; i < tokens; ++i) ids[std::size_t(i)] = i * i % shape.vocabulary;
  std::vector<Product> products;
  const auto pass = [&](const CompressedObserver& observe) {
    CompressedCache cache = forward.new_cache();
    forward.run(ids, cache, observe);
  };
  pass({.routing = [&](int layer, const Routing& r) {
    add_attention_products(shape, layer, tokens, products);
    std::vector<int> load(std::size_t(shape.experts));
    for (const int e : r.experts) ++load[std::size_t(e)];
    products.push_back({tokens, shape.hidden, shape.experts});
    for (int i = 0; i < 3; ++i) products.push_back({tokens, shape.hidden, shape.shared_width});
    for (const int rows : load)
      for (int i = 0; i < 3 && rows > 0; ++i) products.push_back({rows, shape.hidden, shape.expert_width});
  }});
  double time = 1e9, flops = 0;
  for (auto _ : state) time = std::min(time, seconds_of([&] { pass({}); }));
  for (const Product& p : products) flops += p.flops();
  state.counters["of sgemm"] = sgemm_seconds(products) / time;
  state.counters["tokens/s"] = tokens / time;
  state.counters["GFLOP/s"] = flops / time * 1e-9;
}
BENCHMARK(v2_lite_pass)
    ->Name("V2-Lite, two layers, 1024 tokens")
    ->Iterations(3)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK(scaled_v3_pass)
    ->Name("V3 / 16, twelve layers, 1024 tokens")
    ->Iterations(3)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK(v4_flash_pass)
    ->Name("V4-Flash, two layers, 1024 tokens")
    ->Iterations(3)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
}  // namespace
}  // namespace moesim::numerics
