// Scenarios of every study, read as a run reads them before it begins: sections, expectations, published figures, and
// all that its estimate needs.
#include <cmath>

#include "fuzz/support/input.h"
#include "runs/affordable.h"
#include "runs/scenario.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace moesim;
  const std::string file = fuzz::input_file("x.yaml", fuzz::text_of(data, size));
  fuzz::taken([&] {
    const runs::Scenario scenario = runs::load_scenario(file, {});
    const Config section = scenario.config.at(scenario.study->section);
    if (scenario.study->check != nullptr)
      fuzz::taken([&] { section.placed([&] { scenario.study->check(scenario.config); }); });
    const Estimate estimate = runs::estimate_of(scenario, false);
    fuzz::hold(estimate.bytes() > 0 && !std::isnan(estimate.events) && !std::isnan(estimate.seconds),
               "an estimate that is no number");
    (void)runs::estimate_text(estimate, {.bytes = 1 << 30, .whose = "x"});
    (void)scenario.config.resolved();
  });
  return 0;
}
