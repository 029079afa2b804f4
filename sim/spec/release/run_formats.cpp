#include "spec/release/run_formats.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdint>
#include <map>

#include "core/config_error.h"

namespace moesim::spec {
namespace {
/// The nearest format a run has: what scales take beside it differs by a tenth of the weights at most.
std::optional<Dtype> run_dtype(const WeightFormat& f) {
  if (!f.quantised()) return f.bits == 32 ? Dtype::fp32 : f.name == "fp16" ? Dtype::fp16 : Dtype::bf16;
  const bool integer = f.name.find("int") != std::string::npos;
  if (f.bits == 8) return integer ? Dtype::int8 : Dtype::fp8;
  if (f.bits != 4) return {};
  if (f == nvfp4()) return Dtype::nvfp4;
  if (f == mxfp4()) return Dtype::fp4;
  constexpr std::int64_t kFineGroup = 48;  // between 32 and 64, whose scales take 0.5 and 0.25 bits an element
  return f.block_columns > 0 && f.block_columns < kFineGroup ? Dtype::int4_g32 : Dtype::int4;
}

struct Weighed {
  std::map<Dtype, std::int64_t> parameters;
  std::vector<const Tensor*> tensors;
  std::optional<Dtype> most() const {
    std::optional<Dtype> out;
    std::int64_t best = 0;
    for (const auto& [dtype, count] : parameters)
      if (count > best) best = count, out = dtype;
    return out;
  }
};
}  // namespace

ParameterPart projection_of(TensorKind kind) {
  switch (kind) {
    case TensorKind::attention:
    case TensorKind::indexer:
    case TensorKind::state:
    case TensorKind::residual:
      return ParameterPart::attention;
    case TensorKind::routed:
      return ParameterPart::routed;
    case TensorKind::embedding:
    case TensorKind::dense:
    case TensorKind::shared:
    case TensorKind::gate:
    case TensorKind::norm:
    case TensorKind::head:
    case TensorKind::tower:
      return ParameterPart::dense;
  }
  return ParameterPart::dense;
}

RunFormats run_formats(const Release& r) {
  std::map<ParameterPart, Weighed> parts;
  double released = 0;
  for (std::size_t i = 0; i < r.tensors.size(); ++i) {
    const Tensor& t = r.tensors[i];
    if (t.owner != Owner::backbone || t.takes != Takes::linear) continue;
    const std::optional<Dtype> dtype = run_dtype(r.formats[i]);
    if (!dtype)
      throw ConfigError::placed(
          fmt::format("{}: {} is stored as {}, which a run cannot weigh: 4-bit and 8-bit formats and wider ones only",
                      r.file, t.name, r.formats[i].name));
    Weighed& part = parts[projection_of(t.kind)];
    part.parameters[*dtype] += t.all();
    part.tensors.push_back(&t);
    released += double(stored_bytes(r.formats[i], t.rows, t.columns)) * double(t.copies);
  }
  RunFormats out;
  const std::optional<Dtype> attention = parts[ParameterPart::attention].most();
  out.weights = parts[ParameterPart::dense].most().value_or(attention.value_or(Dtype::bf16));
  if (attention && attention != out.weights) out.attention = attention;
  if (const auto experts = parts[ParameterPart::routed].most(); experts && experts != out.weights)
    out.experts = experts;
  double taken = 0;
  for (const auto& [part, weighed] : parts)
    for (const Tensor* t : weighed.tensors)
      taken += double(matrix_bytes(t->rows, t->columns, *weighed.most())) * double(t->copies);
  constexpr double kSaid = 0.01;  // of the bytes
  if (std::abs(taken - released) > kSaid * released)
    out.note = fmt::format("one format a kind of projection: {:.1f} GB of them, released in {:.1f} GB", taken / 1e9,
                           released / 1e9);
  return out;
}

void set_formats(Model& model, const RunFormats& formats) {
  model.weights = formats.weights;
  model.attention_weights = formats.attention;
  model.expert_weights = formats.experts;
  model.weights_note = formats.note;
}
}  // namespace moesim::spec
