// Placement files and counts of experts' loads.  A placement that is read is written and read as the same.
#include "fuzz/support/input.h"
#include "placement/files/formats.h"
#include "placement/files/load_files.h"

namespace moesim::fuzz {
namespace {
using namespace placement;

void read_placement(const std::string& text, const PlacementExpectation& expected) {
  taken([&] {
    const ModelPlacement read = placement_from_text(text, "x", expected);
    hold(!read.layers.empty() && read.maps.size() == read.layers.size(), "a layer without its places");
    for (const PlacementFormat format : {PlacementFormat::json, PlacementFormat::csv}) {
      const std::string once = placement_text(read, format);
      const int gpus = read.maps[0].gpus, experts = read.maps[0].experts;
      ModelPlacement again;
      hold(taken([&] { again = placement_from_text(once, "y", {.gpus = gpus, .experts = experts}); }),
           "what was written is not read");
      hold(placement_text(again, format) == once, "what was written is read as another");
    }
  });
}
}  // namespace
}  // namespace moesim::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace moesim::fuzz;
  const std::string text(text_of(data, size));
  read_placement(text, {});
  read_placement(text, {.gpus = 2, .experts = 4, .layers = {0, 1}});
  taken([&] {
    const auto loads = moesim::placement::read_loads(input_file("x", text));
    hold(!loads.layers.empty() && loads.experts > 0, "no load");
    (void)moesim::placement::loaded_experts(loads);
  });
  return 0;
}
