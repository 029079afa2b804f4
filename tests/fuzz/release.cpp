// A model's config.json as its publisher wrote it, for all that read one.
#include "fuzz/support/input.h"
#include "numerics/compressed/shape.h"
#include "spec/catalogue.h"
#include "spec/count.h"
#include "spec/release/read_release.h"
#include "spec/release/totals.h"

namespace moesim::fuzz {
namespace {
void read_all(std::string_view text) {
  const std::string file = input_file("config.json", text);
  taken([&] {
    const spec::Release release = spec::read_release(file);
    const spec::ReleaseTotals totals = spec::count_release(release);
    hold(totals.active <= totals.total, "more parameters are active than there are");
    hold(spec::weight_bytes(release, true) >= spec::weight_bytes(release, false), "less weight with more");
    for (const spec::EntryFormat format : {spec::EntryFormat::bf16, spec::EntryFormat::fp8, spec::EntryFormat::packed})
      hold(spec::cache_of(release, 1000, format).total() >= spec::cache_of(release, 10, format).total(),
           "a longer text needs less cache");
    (void)spec::layer_kinds(release);
    (void)spec::weigh_release(release);
  });
  taken([&] {
    const spec::Model model = spec::load_model(file);
    if (model.unsupported.empty()) hold(spec::count_parameters(model).total() > 0, "a model without parameters");
  });
  taken([&] { (void)numerics::read_compressed(file); });
}
}  // namespace
}  // namespace moesim::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  moesim::fuzz::read_all(moesim::fuzz::text_of(data, size));
  return 0;
}
