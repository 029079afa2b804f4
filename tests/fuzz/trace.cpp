// Routing traces whose tables or bytes were changed: read whole and counted, or refused.
#include "common/small_trace.h"
#include "fuzz/support/input.h"
#include "fuzz/support/spoiled_database.h"
#include "pages/report.h"
#include "placing/workload.h"
#include "routing/statistics.h"
#include "spec/catalogue.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace moesim;
  static const std::string good = [] {
    spec::Model model = spec::load_model("mixtral-8x7b");
    model.layers = 3;
    return write_small_trace(fuzz::folder() + "/good.db", model, 48);
  }();
  const std::string file = fuzz::spoiled(good, "x.db", fuzz::text_of(data, size));
  fuzz::taken([&] {
    const routing::Trace trace(file);
    std::vector<routing::TraceToken> tokens;
    trace.read_tokens(0, trace.tokens(), tokens);
    for (int layer = 0; layer < trace.layers(); ++layer) {
      std::vector<std::int16_t> experts;
      trace.read_experts(layer, 0, trace.tokens(), experts);
      for (const std::int16_t e : experts)
        fuzz::hold(e >= -1 && e < trace.header().experts, "a choice beyond the experts");
    }
    (void)routing::statistics_text(trace, routing::trace_statistics(trace, {.gpus = 2, .gpus_per_node = 2}));
  });
  fuzz::taken([&] { (void)pages::report_page(file); });
  fuzz::taken([&] { (void)placing::read_workload(file, "0:10"); });
  return 0;
}
