// Expert layers as benchmarks ask for them: shapes, and the uneven loads they draw.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/random.h"
#include "formats/csv.h"

namespace moesim::compute {

struct ExpertShape {
  std::int64_t tokens, hidden, width, top_k, experts, groups;
  std::int64_t local() const { return experts / groups; }
};

/// Rows of each expert under the benchmarks' power law: shares x^-alpha drawn between two bounds, scaled to all rows.
std::vector<std::int64_t> draw_power_law(const ExpertShape& shape, double alpha, Random& random);
/// The `local` experts of the group member with most rows.
std::vector<std::int64_t> most_loaded(const std::vector<std::int64_t>& rows, std::int64_t local);
/// The exponent of the column's "power_law_1.2".
double law_exponent(const formats::CsvTable& csv, std::size_t row, std::string_view column);
}  // namespace moesim::compute
