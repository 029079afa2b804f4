#include "serving/fold.h"

#include <algorithm>

namespace moesim {

void fold(const Config& scenario, Deployment& d) {
  int factor = 1;
  if (scenario.has("fold")) {
    const Config config = scenario.at("fold");
    const std::string word = config.text();
    if (word == "data") {
      factor = INT32_MAX;
      for (const auto& p : d.pools) factor = std::min(factor, p->described);
    } else if (word != "none") {
      config.parse(factor);
      if (factor < 1) config.fail("expected none, data or a number of replicas that one stands for");
    }
    config.resolve("", word);
  }
  d.fold = factor;
  double prompt = 0, decode = 0;
  const auto part = [&](bool decodes) {
    int all = 0, simulated = 0;
    for (auto& p : d.pools)
      if ((p->section.role == Role::decode) == decodes) all += p->described, simulated += p->simulated;
    return all > 0 ? double(simulated) / all : 0.0;
  };
  for (auto& p : d.pools) p->simulated = std::max(1, p->described / factor);
  decode = part(true);
  prompt = part(false);
  if (prompt == 0) prompt = decode;                           // prompts come from elsewhere
  while (part(false) > 0 && (prompt = part(false)) < decode)  // prompts must not be scarcer than decoding needs them
    for (auto& p : d.pools)
      if (p->section.role != Role::decode && p->simulated < p->described) ++p->simulated;
  d.share = prompt;
  d.outside = decode > 0 ? std::max(0.0, 1 - decode / prompt) : 0;
}
}  // namespace moesim
