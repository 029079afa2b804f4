#include "spec/release/release_of_model.h"

#include <fmt/format.h>

#include "core/config_error.h"
#include "spec/count.h"
#include "spec/hugging_face.h"
#include "spec/release/read_release.h"
#include "spec/release/run_formats.h"

namespace moesim::spec {
namespace {
WeightFormat format_of(Dtype dtype) {
  switch (dtype) {
    case Dtype::fp32:
      return plain_format("float32");
    case Dtype::bf16:
      return {};
    case Dtype::fp16:
      return plain_format("float16");
    case Dtype::fp8:
      return fp8_blocks(128, 128, 32);
    case Dtype::fp4:
      return mxfp4();
    case Dtype::nvfp4:
      return nvfp4();
    case Dtype::int8:
      return integers(8, 0, false);
    case Dtype::int4:
      return integers(4, 128, false);
    case Dtype::int4_g32:
      return integers(4, 32, false);
  }
  return {};
}
}  // namespace

Release release_of_model(const Model& model) {
  if (!model.unpublished.empty())
    throw ConfigError(fmt::format("{}: not published: {}", model.name, model.unpublished));
  Release out = read_release_text(hugging_face_json(model, "bfloat16"), model.name);
  const Storage storage = released_storage(model);
  for (std::size_t i = 0; i < out.tensors.size(); ++i) {
    const Tensor& t = out.tensors[i];
    const Dtype dtype = storage.of(projection_of(t.kind));
    if (t.takes == Takes::linear || !quantised(dtype)) out.formats[i] = format_of(dtype);
  }
  if (storage.quantised()) out.quantisation = storage_text(storage);
  return out;
}
}  // namespace moesim::spec
