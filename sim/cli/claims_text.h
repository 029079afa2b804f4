// The answers of moesim validate --claims.
#pragma once
#include <vector>

#include "runs/claims.h"

namespace moesim::cli {

void print_claims(const std::vector<runs::ClaimAnswer>& answers, bool json);
}  // namespace moesim::cli
