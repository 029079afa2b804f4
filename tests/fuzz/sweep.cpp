// Files of sweeps: read whole, and if they are small, each point's scenario with its values.
#include "fuzz/support/input.h"
#include "runs/sweeping/points.h"
#include "runs/sweeping/section.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace moesim;
  const std::string file = fuzz::input_file("x.yaml", fuzz::text_of(data, size));
  fuzz::taken([&] {
    const runs::Sweep sweep = runs::read_sweep(file);
    fuzz::hold(!sweep.axes().empty(), "a sweep without axes");
    const std::vector<runs::Point> points = runs::points_of(sweep);
    for (std::size_t i = 0; i < points.size() && i < 5; ++i)
      fuzz::taken([&] { (void)runs::scenario_of(sweep, points[i]); });
  });
  return 0;
}
