// Errors of single kernels by class, as tests of rates hold them.
#pragma once
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

namespace moesim::test {

/// In each class the median error is below a tenth, and nine of ten below 35 %; both are recorded with the test.
inline void expect_usual_errors(std::map<std::string, std::vector<double>>& errors, const std::string& gpu) {
  for (auto& [name, each] : errors) {
    std::ranges::sort(each);
    const double median = each[each.size() / 2], ninetieth = each[each.size() * 9 / 10];
    EXPECT_LT(median, 0.1) << gpu << " " << name << ", " << each.size() << " rows";
    EXPECT_LT(ninetieth, 0.35) << gpu << " " << name;
    testing::Test::RecordProperty(gpu + " " + name, fmt::format("{:.3f} {:.3f}", median, ninetieth));
  }
}
}  // namespace moesim::test
