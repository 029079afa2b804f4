// Routing that other systems recorded.  Which importer reads it is found out; the input's size names one that must
// try it, too.  What becomes a trace can be read and counted.
#include <unistd.h>

#include <filesystem>

#include "fuzz/support/input.h"
#include "routing/importers/import.h"
#include "routing/statistics.h"
#include "routing/trace.h"

namespace moesim::fuzz {
namespace {
void check(const routing::Trace& trace) {
  const routing::TraceHeader& header = trace.header();
  std::vector<routing::TraceToken> tokens;
  trace.read_tokens(0, trace.tokens(), tokens);
  for (int layer = 0; layer < trace.layers() && layer < 20; ++layer) {
    std::vector<std::int16_t> experts;
    trace.read_experts(layer, 0, trace.tokens(), experts);
    std::vector<std::int64_t> load(std::size_t(header.experts));
    trace.load(layer, 0, trace.tokens(), load);
    std::int64_t chosen = 0, counted = 0;
    for (const std::int16_t e : experts) {
      hold(e >= -1 && e < header.experts, "a choice beyond the experts");
      chosen += e >= 0;
    }
    for (const std::int64_t n : load) counted += n;
    hold(chosen == counted, "choices are not what is counted");
  }
  (void)routing::info_text(trace);
}

void read_all(const std::string& file, const std::string& format) {
  routing::ImportOptions options;
  options.format = format;
  options.output = folder() + "/out.db";
  options.tokens = format.empty() ? 0 : 100;
  options.top_k = format.empty() ? 0 : 2;
  unlink(options.output.c_str());
  taken([&] {
    (void)routing::import_trace({file}, options);
    check(routing::Trace(options.output));
  });
}
}  // namespace
}  // namespace moesim::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace moesim;
  const std::string file = fuzz::input_file("x", fuzz::text_of(data, size));
  fuzz::read_all(file, "");
  // Of this one a folder is read, with a file that says what the others hold.
  if (size > 8 && data[8] == '{') {
    static const std::string trt = fuzz::folder() + "/trt";
    std::filesystem::create_directory(trt);
    fuzz::input_file("trt/meta_info.json", R"({"num_experts":4,"num_experts_per_token":2})");
    fuzz::input_file("trt/rank0.safetensors", fuzz::text_of(data, size));
    fuzz::read_all(trt, "");
  }
  fuzz::read_all(file, std::string(routing::importers()[size % routing::importers().size()].name));
  return 0;
}
