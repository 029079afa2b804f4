// Picoseconds and bytes of small routed exchanges.  Laws that would fail if these were wrong: ExchangeLaw (bytes in
// equal bytes out and what the load says; the closed form beside fluid), FluidLaw (the naive reference).
//
// To renew after a wanted change:  RENEW_GOLDEN=1 build/tests/golden_network  and say in the commit why they moved.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "common/test_cluster.h"
#include "exchange/exchanger.h"
#include "network/exchanges/exchange.h"
#include "network/network.h"
#include "support/places.h"

namespace moesim::network {
namespace {
/// Three choices a token among 32 experts, from integer arithmetic alone: nothing here depends on a maths library.
exchange::ExchangeLoad fixed_load() {
  routing::Traffic traffic;
  traffic.sources = 16;
  std::uint32_t state = 12345;
  const auto draw = [&state](std::uint32_t below) {
    state = state * 1664525 + 1013904223;
    return (state >> 16) % below;
  };
  for (int source = 0; source < 16; ++source) {
    const int tokens = 10 + 3 * source;
    traffic.tokens.push_back(tokens);
    for (int t = 0; t < tokens; ++t) {
      const std::uint32_t first = draw(4) == 0 ? draw(32) : draw(6);  // the first few experts are hot
      for (std::uint32_t k = 0; k < 3; ++k) traffic.choices.push_back(std::int16_t((first + k * (1 + draw(9))) % 32));
      auto* last = &traffic.choices[traffic.choices.size() - 3];
      while (last[1] == last[0]) last[1] = std::int16_t((last[1] + 1) % 32);
      while (last[2] == last[0] || last[2] == last[1]) last[2] = std::int16_t((last[2] + 1) % 32);
    }
  }
  routing::count_rows({32, 3, 1, 1}, traffic);
  exchange::ExchangeLoad load;
  exchange::Exchanger(exchange::contiguous_map(32, 16), {16, 8})(traffic, load);
  return load;
}

/// One line an exchange: network, kernel, direction, when each GPU has all it needs (ps), what each adapter and each
/// NVLink sent (bytes).
std::string all_exchanges() {
  const exchange::ExchangeLoad load = fixed_load();
  std::string out;
  for (const std::string kind : {"fluid", "bottleneck"})
    for (const ExchangeKernel kernel : {ExchangeKernel::deepep_normal, ExchangeKernel::deepep_low_latency})
      for (const ExchangeDirection direction : {ExchangeDirection::dispatch, ExchangeDirection::combine}) {
        Engine engine;
        const auto network =
            test::make_network(fmt::format("{{kind: {}, calibration: none}}", kind), engine, test::h800_cluster(2));
        const ExchangeGroup group(network->topology(), GpuId{0}, 16);
        std::vector<std::int64_t> end(16);
        const auto exchange = open_exchange(*network, group, {kernel, direction, 7168_B, 20, true}, load,
                                            [&](int member) { end[std::size_t(member)] = engine.now().v; });
        for (int m = 0; m < 16; ++m) engine.at(Time{m * 250'000}, "ready", [&exchange, m] { exchange->join(m); });
        engine.run();
        out += fmt::format("{},{},{}", kind, name_of(kernel),
                           direction == ExchangeDirection::dispatch ? "dispatch" : "combine");
        for (const std::int64_t ps : end) out += fmt::format(",{}", ps);
        const std::vector<LinkUse> use = network->link_use();
        for (int m = 0; m < 16; ++m) out += fmt::format(",{}", use[index(network->topology().nic_out(m))].bytes);
        for (int m = 0; m < 16; ++m)
          out += fmt::format(",{}", use[index(network->topology().nvlink_out(GpuId(m)))].bytes);
        out += "\n";
      }
  return out;
}

TEST(ExchangeGolden, TimesAndBytesAreThoseOfTheFile) {
  const std::string file = test::source_dir() + "/tests/golden/network/exchange.csv", now = all_exchanges();
  if (std::getenv("RENEW_GOLDEN") != nullptr) std::ofstream(file) << now;
  std::ostringstream want;
  want << std::ifstream(file).rdbuf();
  EXPECT_EQ(now, want.str());
}
}  // namespace
}  // namespace moesim::network
