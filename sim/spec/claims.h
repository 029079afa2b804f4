// Popular statements about these models, held against what their published shapes give.
#pragma once
#include <string>
#include <vector>

namespace moesim::spec {

struct Claim {
  std::string about, claim;
  std::string fact;    // every figure in it counted from the catalogue
  bool holds = false;  // decided from the same figures
};
/// Reads the models and GPUs it needs from the catalogues.
std::vector<Claim> popular_claims();
/// Those of them about sparse and compressed attention, states, 4-bit weights and prices.
std::vector<Claim> release_claims();
}  // namespace moesim::spec
