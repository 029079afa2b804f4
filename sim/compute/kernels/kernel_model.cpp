#include "compute/kernels/kernel_model.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/check.h"
#include "spec/arithmetic.h"

namespace moesim::compute {
namespace {
[[noreturn]] void refuse(const Kernel& kernel, std::string_view why) {
  throw ConfigError(fmt::format("{}: {}", describe(kernel), why));
}

bool valid(const AttentionHeads& h, const AttentionWork& w) {
  return h.heads > 0 && h.kv_heads > 0 && h.qk_dim > 0 && h.v_dim > 0 && w.sequences > 0 && w.queries > 0 &&
         w.keys > 0 && w.longest > 0 && w.pairs > 0;
}
bool valid(const Gemm& g) { return g.m > 0 && g.n > 0 && g.k > 0 && g.batch > 0; }
bool valid(const GroupedGemm& g) { return g.n > 0 && g.k > 0 && !g.rows.empty() && !group_rows(g).negative; }
bool valid(const AttentionPrefill& a) { return valid(a.heads, a.work); }
bool valid(const AttentionBackward& a) { return valid(a.heads, a.work); }
bool valid(const AttentionDecode& a) { return valid(a.heads, a.work); }
bool valid(const AttentionWork& w) { return w.sequences > 0 && w.queries > 0 && w.keys > 0 && w.longest > 0; }
bool valid(const IndexScores& x) { return x.heads > 0 && x.dim > 0 && valid(x.work) && x.work.pairs > 0; }
bool valid(const IndexTopK& t) { return t.picks > 0 && t.rows > 0 && t.longest > 0; }
// Without values it gives scores alone.
bool valid(const SparsePrefill& a) {
  AttentionHeads heads = a.heads;
  if (heads.v_dim == 0) heads.v_dim = 1;
  return a.picks > 0 && valid(heads, a.work);
}
bool valid(const MemoryOp& m) { return m.bytes.v > 0; }
bool valid(const SmallChain& s) { return s.count > 0; }
bool valid(const ShortConvolution& c) { return c.channels > 0 && c.taps > 0 && c.sequences > 0 && c.tokens > 0; }
bool valid(const StreamMix& m) { return m.rows > 0 && m.hidden > 0 && m.streams > 1; }
bool valid(const StateScan& s) {
  return s.key_heads > 0 && s.value_heads > 0 && s.key_dim > 0 && s.value_dim > 0 && s.sequences > 0 && s.tokens > 0 &&
         s.longest > 0;
}

using spec::element_bits;
struct WiderWeights {
  bool operator()(const Gemm& g) const { return g.weights && element_bits(*g.weights) > element_bits(g.dtype); }
  bool operator()(const GroupedGemm& g) const { return g.weights && element_bits(*g.weights) > element_bits(g.dtype); }
  bool operator()(const auto&) const { return false; }
};

struct ArithmeticDtype {
  spec::Dtype operator()(const MemoryOp&) const { return spec::Dtype::bf16; }
  spec::Dtype operator()(const SmallChain&) const { return spec::Dtype::bf16; }
  spec::Dtype operator()(const IndexScores& x) const { return x.dtype(); }
  spec::Dtype operator()(const IndexTopK&) const { return spec::Dtype::bf16; }
  spec::Dtype operator()(const SparsePrefill& a) const { return a.cache; }
  spec::Dtype operator()(const ShortConvolution&) const { return spec::Dtype::bf16; }
  spec::Dtype operator()(const StateScan&) const { return spec::Dtype::bf16; }
  spec::Dtype operator()(const StreamMix&) const { return spec::Dtype::bf16; }
  spec::Dtype operator()(const auto& k) const { return k.dtype; }
};
}  // namespace

KernelModel::KernelModel(spec::Gpu gpu) : gpu_(std::move(gpu)) {
  check(gpu_.sms > 0 && gpu_.memory_bandwidth.v > 0 && gpu_.bf16.v > 0, "GPU {} lacks SMs, bandwidth or a BF16 peak",
        gpu_.name);
}

Time KernelModel::bound(const Kernel& kernel, GpuShare share) const {
  const double fill = share.sms > 0 ? double(share.sms) / gpu_.sms : 1;
  const double tensor = flops_of(kernel).v;
  const double peak = spec::peak_of(gpu_, std::visit(ArithmeticDtype{}, kernel)).v * fill;
  return from_seconds(
      std::max(tensor > 0 ? tensor / peak : 0, double(bytes_of(kernel).v) / (gpu_.memory_bandwidth.v * share.memory)));
}

Cost KernelModel::cost(const Kernel& kernel, GpuShare share) const {
  if (!std::visit([](const auto& k) { return valid(k); }, kernel)) refuse(kernel, "a dimension is zero or negative");
  if (std::visit(WiderWeights{}, kernel)) refuse(kernel, "weights are stored wider than they are computed");
  if (share.sms < 0 || share.sms > gpu_.sms)
    refuse(kernel, fmt::format("asked for {} SMs, {} has {}", share.sms, gpu_.name, gpu_.sms));
  check(share.memory > 0 && share.memory <= 1, "a share {} of the memory bandwidth", share.memory);
  const spec::Dtype dtype = std::visit(ArithmeticDtype{}, kernel);
  if (!spec::computes_in(gpu_, dtype))
    refuse(kernel, fmt::format("{} has no {} arithmetic", gpu_.name, name_of(dtype)));
  if (const auto* g = std::get_if<GroupedGemm>(&kernel); g && group_rows(*g).rows == 0) return {};
  const Estimate estimated = estimate(kernel, share);
  const Time time = std::max(from_seconds(estimated.seconds), bound(kernel, share));
  return {time, estimated.from, float(draw(kernel, time))};
}

double KernelModel::draw(const Kernel& kernel, Time time) const {
  constexpr double kLittle = 0.1;
  const double peak = spec::peak_of(gpu_, std::visit(ArithmeticDtype{}, kernel)).v;
  const double tensor = flops_of(kernel).v / peak, memory = double(bytes_of(kernel).v) / gpu_.memory_bandwidth.v;
  if (std::max(tensor, memory) < kLittle * seconds(time)) return gpu_.draw.launch;
  return memory >= tensor ? gpu_.draw.memory : gpu_.draw.compute;
}

TogetherCost cost_together(const KernelModel& model, const Kernel& first, int first_sms, const Kernel& second,
                           int second_sms) {
  check(first_sms + second_sms <= model.gpu().sms, "{} + {} SMs on a GPU of {}", first_sms, second_sms,
        model.gpu().sms);
  const Cost alone[] = {model.cost(first, {first_sms, 1}), model.cost(second, {second_sms, 1})};
  double want[2];
  const Kernel* kernels[] = {&first, &second};
  for (int i = 0; i < 2; ++i)
    want[i] =
        std::min(1.0, double(bytes_of(*kernels[i]).v) / (seconds(alone[i].time) * model.gpu().memory_bandwidth.v));
  if (want[0] + want[1] <= 1) return {alone[0], alone[1], want[0], want[1]};
  double share[2] = {0.5, 0.5};
  for (int i = 0; i < 2; ++i)
    if (want[i] < 0.5) share[i] = want[i], share[1 - i] = 1 - want[i];
  return {model.cost(first, {first_sms, share[0]}), model.cost(second, {second_sms, share[1]}), share[0], share[1]};
}
}  // namespace moesim::compute
