// Entries of the model catalogue: shapes, and releases by their config.json.  What is read can be counted and scaled.
#include "fuzz/support/input.h"
#include "spec/catalogue.h"
#include "spec/count.h"
#include "spec/release/release_entry.h"
#include "spec/release/totals.h"
#include "spec/scale.h"

namespace moesim::fuzz {
namespace {
void use(const spec::Model& model) {
  if (!model.unpublished.empty() || !model.unsupported.empty()) return;
  const spec::Parameters counted = spec::count_parameters(model);
  hold(counted.total() > 0 && counted.active > 0, "a model without parameters");
  (void)spec::weight_shapes(model);
  taken([&] { (void)spec::scaled(model, spec::laptop_scale(model)); });
}

void read_all(std::string_view text) {
  const std::string file = input_file("x.yaml", text);
  taken([&] { use(spec::load_model(file)); });
  taken([&] { use(spec::read_model(Config::load(file))); });
  taken([&] {
    if (const auto release = spec::release_of_entry(file)) (void)spec::count_release(*release);
  });
}
}  // namespace
}  // namespace moesim::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  moesim::fuzz::read_all(moesim::fuzz::text_of(data, size));
  return 0;
}
