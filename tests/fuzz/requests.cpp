// Recorded requests, in every format that serving replays, and profiles of clients that are one file or the other.
#include "core/config.h"
#include "fuzz/support/input.h"
#include "serving/traces/workloads.h"

namespace moesim::fuzz {
namespace {
void play(const std::string& workload) {
  taken([&] {
    const auto requests = serving::workloads().make(Config::from_text(workload, "x.yaml"), serving::WorkloadContext{});
    Time last{};
    for (int i = 0; i < 200; ++i) {
      const auto request = requests->next();
      if (!request) break;
      hold(request->arrival >= last, "a request arrives before the one ahead of it");
      hold(request->input >= 0 && request->output >= 0, "a request of fewer than no tokens");
      last = request->arrival;
      (void)requests->follow_up(*request, last + Time{1});
    }
  });
}
}  // namespace
}  // namespace moesim::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace moesim::fuzz;
  const std::string_view text = text_of(data, size);
  const std::string file = input_file("x", text);
  for (const char* more : {"azure", "burstgpt", "splitwise", "vidur, rate: 2", "vidur", "mooncake", "bailian",
                           "llmservingsim", "sharegpt, rate: 2", "azure, sort: true, limit: 5, from: 1 s"})
    play("{kind: " + std::string(more) + ", file: " + file + "}");
  // Two files a client, parted by an empty line.
  const std::size_t seam = text.find("\n\n");
  if (seam == std::string_view::npos) return 0;
  input_file("chunk-0-trace.csv", text.substr(0, seam + 1));
  input_file("chunk-0-dataset.json", text.substr(seam + 2));
  play("{kind: servegen, folder: " + folder() + "}");
  return 0;
}
