// Metrics held to values that were worked out; unit/results/pinned_test.cpp asks for one of each.
#pragma once
#include <gtest/gtest.h>

#include <cmath>
#include <source_location>
#include <string>
#include <string_view>

#include "results/results.h"

namespace moesim::test {
inline constexpr double kLoosest = 0.05;  // of a value: what is known no better than this pins nothing

inline void expect_pinned(std::string_view name, std::string_view scope, double value, double expected, double within,
                          const std::source_location& where) {
  const testing::ScopedTrace here(where.file_name(), int(where.line()),
                                  std::string(name) + " of " + std::string(scope));
  EXPECT_LE(within, kLoosest) << "a bound that loose notices too little";
  EXPECT_NEAR(value, expected, (expected == 0 ? 1 : std::abs(expected)) * within);
}

/// The metric of `scope` is `expected`, which was worked out apart from the program; within: relative (of 0: absolute).
/// The name is written as a literal at each call, and nothing but 0 that is always 0 pins by being 0.
inline void pin(const results::Results& results, std::string_view name, std::string_view scope, double expected,
                double within = 1e-6, const std::source_location& where = std::source_location::current()) {
  const bool there = results.has_metric(name, scope);
  const testing::ScopedTrace here(where.file_name(), int(where.line()), "pinned here");
  EXPECT_TRUE(there) << "no metric " << name << " of " << scope;
  if (there) expect_pinned(name, scope, results.metric_value(name, scope), expected, within, where);
}

/// The same of a metric over time, by its reading at that second.
inline void pin_at(results::Results& results, std::string_view name, std::string_view scope, double second,
                   double expected, double within = 1e-6,
                   const std::source_location& where = std::source_location::current()) {
  results::Statement s =
      results.database().prepare("SELECT value FROM series WHERE name = ? AND scope = ? AND abs(time - ?) < 1e-9");
  const bool there = s.bind(0, name).bind(1, scope).bind(2, second).step();
  const testing::ScopedTrace here(where.file_name(), int(where.line()), "pinned here");
  EXPECT_TRUE(there) << "no reading of " << name << " of " << scope << " at " << second << " s";
  if (there) expect_pinned(name, scope, s.real(0), expected, within, where);
}
}  // namespace moesim::test
