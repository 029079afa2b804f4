// The catalogue's models of which every width is known.
#pragma once
#include <string>
#include <vector>

#include "core/paths.h"
#include "spec/catalogue.h"

namespace moesim::test {

inline std::vector<spec::Model> published_models() {
  std::vector<spec::Model> out;
  for (const std::string& name : catalogue_names("models"))
    if (spec::Model m = spec::load_model(name); m.can_run()) out.push_back(m);
  return out;
}
}  // namespace moesim::test
