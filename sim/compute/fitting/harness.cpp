// What a table's row should show: the kernels by equation, and what the harness around them adds.
#include <algorithm>

#include "compute/fitting/measurements.h"
#include "compute/kernels/equation_model.h"
#include "core/check.h"
#include "core/elementary.h"

namespace moesim::compute {
namespace {
// Share of accesses that hit when the same bytes are walked through again and again and a random line is replaced:
// a line survives the misses of a round with exp(-misses / lines).
double hit_share(double bytes, double cache) {
  if (bytes <= cache) return 1;
  double hits = 0;
  for (int i = 0; i < 60; ++i) hits = exp_of((hits - 1) * bytes / cache);
  return hits;
}

double bytes_moved(const std::vector<Kernel>& sequence) {
  double sum = 0;
  for (const Kernel& kernel : sequence) sum += double(bytes_of(kernel).v);
  return sum;
}

Calibration with_library(Calibration c, double speed) {
  for (GemmEquation* e : {&c.gemm, &c.contiguous, &c.masked}) {
    e->tensor *= speed;
    e->step = from_seconds(seconds(e->step) / speed), e->tile = from_seconds(seconds(e->tile) / speed);
  }
  return c;
}

Kernel as_moved(Kernel kernel, double speed) {
  auto* op = std::get_if<MemoryOp>(&kernel);
  if (op && !is_tuned_for_serving(op->kind)) op->bytes = Bytes{std::int64_t(double(op->bytes.v) / speed)};
  return kernel;
}

double mean_seconds(const Measurement& s, spec::Gpu gpu, const Calibration& c, const HarnessLimits& h, Heat heat) {
  const Bandwidth cold = gpu.memory_bandwidth;
  const double gap = s.harness == Harness::kernel ? seconds(c.gap) : 0;
  double sum = 0;
  for (const std::vector<Kernel>& sequence : s.sequences) {
    const double hits =
        s.harness == Harness::graph ? hit_share(s.walked > 0 ? s.walked : bytes_moved(sequence), h.cache) : 0;
    gpu.memory_bandwidth = cold * (1 / (1 - hits + hits / h.cached));
    const Equations equations(
        gpu, c, heat, s.products,
        {s.expert_library, s.expert_library == ExpertLibrary::usual ? std::string() : s.library, {}});
    for (const Kernel& kernel : sequence) sum += equations.seconds(as_moved(kernel, h.moves), {}) - gap;
    sum -= hits * h.warm * double(sequence.size());
  }
  return sum / double(s.sequences.size()) + h.expert * s.experts;
}
}  // namespace

double predict_device(const Measurement& s, const spec::Gpu& gpu, const Calibration& calibration,
                      const HarnessLimits& h) {
  const Calibration c = h.library == 1 ? calibration : with_library(calibration, h.library);
  const double fresh = mean_seconds(s, gpu, c, h, Heat::brief), run = fresh * s.repeats;
  if (run <= h.burst) return fresh;
  const double hot = 1 - h.burst / run;  // share of the runs that the GPU is throttled
  return fresh * (1 - hot) + mean_seconds(s, gpu, c, h, Heat::sustained) * hot;
}

double predict(const Measurement& sample, const spec::Gpu& gpu, const Calibration& calibration,
               const HarnessLimits& harness) {
  check(sample.harness != Harness::simulated, "{} is held to a kernel model, not to a harness", sample.kind);
  const double device = predict_device(sample, gpu, calibration, harness);
  if (sample.harness == Harness::kernel) return device;
  return harness.sequence * sample.sequences_in_batch + std::max(harness.floor, harness.offset + device);
}
}  // namespace moesim::compute
