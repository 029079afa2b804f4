#include "spec/slow_gpu.h"

#include <fmt/format.h>

namespace moesim::spec {

std::vector<double> gpu_speeds(const Config& list, const std::vector<SlowGpu>& slow_gpus, int gpus) {
  std::vector<double> out(std::size_t(gpus), 1.0);
  for (std::size_t i = 0; i < slow_gpus.size(); ++i) {
    const SlowGpu& slow = slow_gpus[i];
    if (slow.gpu < 0 || slow.gpu >= gpus)
      list.fail_below(fmt::format("[{}].gpu", i), fmt::format("expected GPU 0 to {}, got {}", gpus - 1, slow.gpu));
    if (!(slow.speed > 0 && slow.speed <= 1))
      list.fail_below(fmt::format("[{}].speed", i), fmt::format("expected above 0 and at most 1, got {}", slow.speed));
    out[std::size_t(slow.gpu)] = slow.speed;
  }
  return out;
}
}  // namespace moesim::spec
