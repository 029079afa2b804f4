// How far the closed form is from fluid flows on expert loads recorded in production: every layer of every recording in
// ../shared/data/expert_load, 64 tokens a GPU.  A plain program; prints the table of reports/network.md.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "common/exchange_loads.h"
#include "common/test_cluster.h"
#include "network/exchanges/exchange.h"

namespace moesim::network {
namespace {
void compare(int gpus, network::ExchangeKernel kernel, network::ExchangeDirection direction,
             const std::vector<std::vector<double>>& layers) {
  std::vector<double> errors;
  for (std::size_t layer = 0; layer < layers.size(); ++layer) {
    const exchange::ExchangeLoad load = test::drawn_load({gpus, 8}, 64, 8, layers[layer], layer);
    const network::ExchangeSpec spec{
        kernel, direction,
        direction == network::ExchangeDirection::dispatch ? network::fp8_row(7168) : network::bf16_row(7168), 24, true};
    errors.push_back(
        seconds(test::last_arrival("bottleneck", spec, load)) / seconds(test::last_arrival("fluid", spec, load)) - 1);
  }
  std::vector<double> sizes;
  for (const double e : errors) sizes.push_back(std::abs(e));
  std::ranges::sort(sizes);
  fmt::print("| {} | {} {} | {} | {:.2f} % | {:+.2f} % | {:+.2f} % |\n", gpus, name_of(kernel),
             direction == network::ExchangeDirection::dispatch ? "dispatch" : "combine", errors.size(),
             100 * sizes[sizes.size() / 2], 100 * std::ranges::min(errors), 100 * std::ranges::max(errors));
}
}  // namespace
}  // namespace moesim::network

int main() {
  using namespace moesim;
  std::vector<std::vector<double>> layers;
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(SOURCE_DIR "/../shared/data/expert_load"))
    if (entry.path().extension() == ".json") files.push_back(entry.path().string());
  std::ranges::sort(files);
  for (const std::string& file : files) {
    std::ifstream in(file);
    for (auto& row : nlohmann::json::parse(in).at("logical_count").get<std::vector<std::vector<double>>>())
      if (std::ranges::count_if(row, [](double c) { return c > 0; }) >= 8) layers.push_back(row);
  }
  fmt::print("| GPUs | exchange | layers | median | most below fluid | most above |\n|---|---|---|---|---|---|\n");
  for (const int gpus : {32, 64})
    for (const network::ExchangeKernel kernel :
         {network::ExchangeKernel::deepep_normal, network::ExchangeKernel::deepep_low_latency})
      for (const network::ExchangeDirection direction :
           {network::ExchangeDirection::dispatch, network::ExchangeDirection::combine})
        moesim::network::compare(gpus, kernel, direction, layers);
}
