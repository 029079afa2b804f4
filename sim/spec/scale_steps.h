// The steps by which widths are scaled down, shared by spec/scale.cpp and the kinds of attention.
#pragma once
#include <optional>
#include <string_view>

#include "spec/scale.h"

namespace moesim::spec {

/// Throws ConfigError "scale.KEY: problem".
[[noreturn]] void fail_scale(std::string_view key, std::string_view problem);
/// The given value, or the old one divided by `factor`, rounded up to a multiple of `unit`, at least `least`.
/// Throws ConfigError if a value is given that is larger than the old one, or the model has none.
int smaller(std::string_view key, const std::optional<int>& given, int old, double factor, int unit = 1, int least = 1);
/// Refuses a value that does not apply; `why` says so.
void not_for(std::string_view key, const std::optional<int>& given, std::string_view why);

/// Scales query heads that each have a key and value of their own.
void scale_equal_heads(AttentionShape& a, const Scale& s);
/// What scaling the `before` heads left of the factor, for what a head holds.
double left_of_factor(const AttentionShape& a, const Scale& s, int before);
}  // namespace moesim::spec
