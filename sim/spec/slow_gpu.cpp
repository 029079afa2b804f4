#include "spec/slow_gpu.h"

#include <fmt/format.h>

namespace moesim::spec {

std::vector<double> gpu_speeds(const Config& list, const std::vector<SlowGpu>& slow_gpus, int gpus) {
  std::vector<double> out(std::size_t(gpus), 1.0);
  for (const SlowGpu& slow : slow_gpus) {
    if (slow.gpu < 0 || slow.gpu >= gpus) list.fail(fmt::format("expected GPU 0 to {}, got {}", gpus - 1, slow.gpu));
    if (!(slow.speed > 0 && slow.speed <= 1))
      list.fail(fmt::format("speed: expected above 0 and at most 1, got {}", slow.speed));
    out[std::size_t(slow.gpu)] = slow.speed;
  }
  return out;
}
}  // namespace moesim::spec
