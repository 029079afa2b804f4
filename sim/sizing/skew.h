// A plan's routing with experts that are loaded more evenly, or less.
#pragma once
#include <string>

#include "sizing/plan.h"

namespace moesim::sizing {

/// Loads as unequal as DeepSeek-V3's in serving (reports/routing.md).
constexpr const char* kUneven = "{kind: log_normal, sigma: 0.75}";
/// Whether the plan's experts are all as likely.
bool is_balanced(const Plan& plan);
/// The plan's routing, a line of YAML, with its skew so many times as strong; "" where its kind has none that a number
/// says, as of a recorded one.
std::string with_skew(const Plan& plan, double times);
}  // namespace moesim::sizing
