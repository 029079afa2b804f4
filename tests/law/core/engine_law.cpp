#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "core/engine.h"

namespace moesim::core {
namespace {

TEST(Engine, RunsOneInstantByPhaseThenScheduleOrder) {
  Engine engine;
  std::vector<int> got;
  engine.at(
      5_us, "late", [&got] { got.push_back(3); }, Phase::observe);
  engine.at(5_us, "a", [&got] { got.push_back(1); });
  engine.at(5_us, "b", [&got] { got.push_back(2); });
  engine.run();
  EXPECT_EQ(got, (std::vector{1, 2, 3}));
}

TEST(Engine, AgreesWithASortedListUnderRandomScheduleAndCancel) {
  for (unsigned seed = 0; seed < 50; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    struct Expected {
      Time when;
      Phase phase;
      int n;
      bool cancelled = false;
    };
    std::mt19937_64 random(seed);
    Engine engine;
    std::vector<Engine::EventId> ids;
    std::vector<Expected> expected;
    std::vector<int> got, want;
    for (int n = 0; n < 500; ++n) {
      const Time when{std::int64_t(random() % 20)};  // few distinct times, so ties are common
      const Phase phase{std::uint8_t(random() % 3)};
      ids.push_back(engine.at(
          when, "x", [&got, n] { got.push_back(n); }, phase));
      expected.push_back({when, phase, n});
      if (random() % 4 == 0) {
        const std::size_t k = random() % ids.size();
        engine.cancel(ids[k]);
        expected[k].cancelled = true;
      }
    }
    std::erase_if(expected, [](const Expected& e) { return e.cancelled; });
    std::ranges::stable_sort(expected, [](const Expected& a, const Expected& b) {
      return std::tie(a.when, a.phase) < std::tie(b.when, b.phase);
    });
    for (const Expected& e : expected) want.push_back(e.n);
    engine.run();
    EXPECT_EQ(got, want);
  }
}
}  // namespace
}  // namespace moesim::core
