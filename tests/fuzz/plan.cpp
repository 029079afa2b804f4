// Plans of `moesim size`, of services and of training runs, read before anything is simulated.
#include "sizing/plan.h"
#include "fuzz/support/input.h"
#include "sizing/pretraining/job.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace moesim;
  const std::string file = fuzz::input_file("x.yaml", fuzz::text_of(data, size));
  fuzz::taken([&] {
    sizing::PlanHead head = sizing::read_plan_head(file, {}, {});
    if (sizing::asks_for_training(head))
      (void)sizing::read_job(std::move(head));
    else
      (void)sizing::read_plan(std::move(head));
  });
  return 0;
}
