// What a release has that nothing here can run.
#pragma once
#include <string>

#include "spec/release/release.h"

namespace moesim::spec {

/// One line: "layers of Kimi Delta Attention have no kernels yet"; "" if its kinds of layers all have.
std::string missing_to_run(const Release& release);
}  // namespace moesim::spec
