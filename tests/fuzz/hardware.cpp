// Entries of the hardware catalogue, written in place and as a file: GPUs, nodes, fabrics, clusters, engines and
// calibrations.
#include "compute/kernels/calibration.h"
#include "forward/engine.h"
#include "fuzz/support/input.h"
#include "network/calibration.h"
#include "spec/catalogue.h"

namespace moesim::fuzz {
namespace {
void read_all(std::string_view text) {
  const std::string file = input_file("x.yaml", text);
  taken([&] { (void)spec::load_gpu(file); });
  taken([&] { (void)spec::load_node(file); });
  taken([&] { (void)spec::load_fabric(file); });
  taken([&] { hold(spec::load_cluster(file).gpus() > 0, "a cluster without GPUs"); });
  taken([&] { (void)forward::load_engine(file); });
  taken([&] { (void)compute::load_calibration(file); });
  taken([&] { (void)network::load_network_calibration(file); });
  taken([&] { hold(spec::read_cluster(Config::load(file)).gpus() > 0, "a cluster without GPUs"); });
}
}  // namespace
}  // namespace moesim::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  moesim::fuzz::read_all(moesim::fuzz::text_of(data, size));
  return 0;
}
