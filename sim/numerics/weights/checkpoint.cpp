#include "numerics/weights/checkpoint.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>

#include "core/ceil_div.h"
#include "core/check.h"
#include "formats/number_formats.h"
#include "numerics/weights/tensor_values.h"

namespace moesim::numerics {
namespace {

/// Other spellings of the text model's names, as multimodal checkpoints have them.
std::string canonical(const std::string& name) {
  if (name.starts_with("model.language_model.")) return "model." + name.substr(21);
  if (name.starts_with("language_model.")) return name.substr(15);
  return name;
}

template <class Bits, class Convert>
void convert_rows(const std::byte* bytes, const StoredPlace& place, const PartShape& shape, float* out,
                  Convert convert) {
  for (int r = 0; r < shape.rows; ++r)
    for (int c = 0; c < shape.columns; ++c) {
      Bits bits;
      std::memcpy(&bits,
                  bytes + sizeof(Bits) * std::size_t(place.offset + r * place.row_stride + c * place.column_stride),
                  sizeof(Bits));
      out[std::int64_t(r) * shape.columns + c] = convert(bits);
    }
}

constexpr std::int64_t kPackedBlock = 32;  // MXFP4 values that share a scale

/// MXFP4 as gpt-oss stores it: rows are outputs, two values a byte, the lower four bits first.  `place` is where the
/// part lies in the same tensor unpacked, (experts, inputs, outputs).
void read_mxfp4(const formats::StoredTensor& blocks, const formats::StoredTensor& scales, const StoredPlace& place,
                const PartShape& shape, float* out) {
  const std::int64_t inputs = place.shape[1], outputs = place.shape[2];
  const std::int64_t first = place.offset / (inputs * outputs) * outputs + place.offset % (inputs * outputs);
  for (int r = 0; r < shape.rows; ++r) {
    const std::int64_t row = first + r * place.row_stride;
    for (std::int64_t c = 0; c < inputs; ++c) {
      const auto pair = std::uint8_t(blocks.bytes[std::size_t((row * inputs + c) / 2)]);
      const auto scale = std::uint8_t(scales.bytes[std::size_t((row * inputs + c) / kPackedBlock)]);
      *out++ = formats::kE2m1[c % 2 == 0 ? pair & 15U : pair >> 4U] * formats::from_e8m0(scale);
    }
  }
}

void apply_block_scales(const formats::StoredTensor& scales, const PartShape& shape, float* out) {
  const std::int64_t across = ceil_div(shape.columns, kScaleBlock);
  for (int r = 0; r < shape.rows; ++r)
    for (int c = 0; c < shape.columns; ++c) {
      float scale = 0;
      std::memcpy(
          &scale,
          scales.bytes.data() + 4 * (std::size_t(r / kScaleBlock) * std::size_t(across) + std::size_t(c / kScaleBlock)),
          4);
      out[std::int64_t(r) * shape.columns + c] *= scale;
    }
}

/// Among the sources of one layer: its own parts, then those of each expert.
int place_in_layer(Part part, int expert) {
  return expert < 0 ? int(part) : kParts + expert * kExpertParts + int(part) - int(kFirstExpertPart);
}
}  // namespace

Checkpoint::Checkpoint(const spec::Model& model, const std::string& folder, Bytes keep)
    : model_(model), folder_(folder), keep_(keep) {
  for (const auto& [name, found] : folder_.tensors())
    if (const auto [at, fresh] = by_name_.emplace(canonical(name), found); !fresh)
      throw ConfigError(fmt::format("{}: tensor {} is there under two names, also in {}", found.file->file(), name,
                                    at->second.file->file()));
  claim_all();
  check_no_extras();
  claimed_.clear();
}

void Checkpoint::claim_all() {
  const auto claim_layer = [this](const std::vector<PartShape>& parts, int layer, bool experts) {
    layer_base_.push_back(int(sources_.size()));
    sources_.resize(sources_.size() + std::size_t(kParts));
    for (const PartShape& p : parts) claim(p, layer, -1);
    if (!experts) return;
    const auto all = std::size_t(model_.moe->experts) * kExpertParts;
    sources_.resize(sources_.size() + all);
    for (int e = 0; e < model_.moe->experts; ++e)
      for (const PartShape& p : expert_parts(model_)) claim(p, layer, e);
  };
  claim_layer(outer_parts(model_), -1, false);
  for (int layer = 0; layer < model_.layers + model_.mtp_layers; ++layer)
    claim_layer(layer_parts(model_, layer), layer, spec::has_experts(model_, layer));
}

void Checkpoint::claim(const PartShape& shape, int layer, int expert) {
  StoredPlace place = stored_place(model_, shape, layer, expert);
  const auto at = by_name_.find(place.name);
  auto made = std::make_unique<Source>();
  const int slot = layer_base_.back() + place_in_layer(shape.part, expert);
  if (at == by_name_.end() && claim_mxfp4(place, *made)) {
    made->place = std::move(place);
    sources_[std::size_t(slot)] = std::move(made);
    return;
  }
  if (at == by_name_.end())
    throw ConfigError(fmt::format("{}: tensor {} is missing; {} needs it with shape {}", folder_.folder(), place.name,
                                  model_.name.empty() ? "the model" : model_.name, formats::shape_text(place.shape)));
  const auto& [name, found] = *at;
  const formats::StoredTensor& tensor = *found.tensor;
  const std::string where = fmt::format("{}: tensor {}", found.file->file(), name);
  if (tensor.shape != place.shape)
    throw ConfigError(fmt::format("{}: has shape {}, but the model's configuration says {}", where,
                                  formats::shape_text(tensor.shape), formats::shape_text(place.shape)));
  made->tensor = &tensor;
  made->file = found.file;
  switch (tensor.type) {
    case formats::StoredType::f32:
    case formats::StoredType::f16:
    case formats::StoredType::bf16:
      break;
    case formats::StoredType::f8_e4m3: {
      const auto scales = by_name_.find(name + "_scale_inv");
      const std::vector<std::int64_t> expected{ceil_div(shape.rows, kScaleBlock), ceil_div(shape.columns, kScaleBlock)};
      if (scales == by_name_.end())
        throw ConfigError(fmt::format("{}: is FP8, but {}_scale_inv is missing", where, name));
      if (scales->second.tensor->type != formats::StoredType::f32 || scales->second.tensor->shape != expected)
        throw ConfigError(fmt::format("{}: tensor {}: expected F32 {}, one scale a 128x128 block, got {} {}",
                                      scales->second.file->file(), scales->first, formats::shape_text(expected),
                                      name_of(scales->second.tensor->type),
                                      formats::shape_text(scales->second.tensor->shape)));
      made->scales = scales->second.tensor;
      claimed_.insert(scales->first);
      break;
    }
    default:
      throw ConfigError(
          fmt::format("{}: is stored as {}; expected F32, F16, BF16, F8_E4M3 with weight_scale_inv, or MXFP4 experts",
                      where, name_of(tensor.type)));
  }
  made->place = std::move(place);
  claimed_.insert(name);
  sources_[std::size_t(slot)] = std::move(made);
}

/// Experts packed as NAME_blocks and NAME_scales; false if there is no such tensor.
bool Checkpoint::claim_mxfp4(const StoredPlace& place, Source& made) {
  const auto blocks = by_name_.find(place.name + "_blocks"), scales = by_name_.find(place.name + "_scales");
  if (blocks == by_name_.end() || place.shape.size() != 3) return false;
  if (scales == by_name_.end())
    throw ConfigError(fmt::format("{}: tensor {}: is MXFP4, but {}_scales is missing", blocks->second.file->file(),
                                  blocks->first, place.name));
  const std::int64_t experts = place.shape[0], inputs = place.shape[1], outputs = place.shape[2];
  if (inputs % kPackedBlock != 0)
    throw ConfigError(fmt::format("{}: tensor {}: is MXFP4 in blocks of {}, which do not divide {} inputs",
                                  blocks->second.file->file(), blocks->first, kPackedBlock, inputs));
  std::vector<std::int64_t> expected{experts, outputs, inputs / kPackedBlock};
  for (const auto& at : {scales, blocks}) {
    const formats::StoredTensor& t = *at->second.tensor;
    if (at == blocks) expected.push_back(kPackedBlock / 2);
    if (t.type != formats::StoredType::u8 || t.shape != expected)
      throw ConfigError(fmt::format("{}: tensor {}: expected U8 {} by the model's configuration, got {} {}",
                                    at->second.file->file(), at->first, formats::shape_text(expected), name_of(t.type),
                                    formats::shape_text(t.shape)));
    claimed_.insert(at->first);
  }
  made.tensor = blocks->second.tensor;
  made.file = blocks->second.file;
  made.scales = scales->second.tensor;
  return true;
}

void Checkpoint::check_no_extras() const {
  for (const auto& [name, found] : by_name_) {
    if (claimed_.contains(name) || is_ignored_tensor(name)) continue;
    const bool tied_head = name == "lm_head.weight" && model_.tied_embeddings;
    if (tied_head) continue;
    throw ConfigError(fmt::format("{}: tensor {} {} has no place in the model ({} layers, {} experts)",
                                  found.file->file(), name, formats::shape_text(found.tensor->shape), model_.layers,
                                  model_.moe ? model_.moe->experts : 0));
  }
}

Checkpoint::Source& Checkpoint::source(Part part, int layer, int expert) {
  const auto& found = sources_.at(std::size_t(layer_base_.at(std::size_t(layer + 1)) + place_in_layer(part, expert)));
  check(found != nullptr, "part {} of layer {} is not in the checkpoint", int(part), layer);
  return *found;
}

const float* Checkpoint::get(const PartShape& shape, int layer, int expert, WeightScratch& scratch) {
  Source& s = source(shape.part, layer, expert);
  if (const float* ready = s.ready.load(std::memory_order_acquire)) return ready;
  const bool plain = s.place.row_stride == shape.columns || shape.rows == 1;
  const std::byte* first = s.tensor->bytes.data() + 4 * s.place.offset;
  if (s.tensor->type == formats::StoredType::f32 && plain && s.place.column_stride == 1 &&
      reinterpret_cast<std::uintptr_t>(first) % alignof(float) == 0) {
    s.file->check_whole();
    const auto* values = reinterpret_cast<const float*>(first);
    check_numbers(s, shape, values);
    s.ready.store(values, std::memory_order_release);
    return values;
  }
  const std::int64_t bytes = 4 * shape.size();
  if (kept_bytes_.fetch_add(bytes) + bytes <= keep_.v) {
    auto values = std::make_unique_for_overwrite<float[]>(std::size_t(shape.size()));
    read(s, shape, values.get());
    const std::lock_guard lock(mutex_);
    s.ready.store(values.get(), std::memory_order_release);
    kept_.push_back(std::move(values));
    return kept_.back().get();
  }
  kept_bytes_.fetch_sub(bytes);
  std::vector<float>& room = scratch[std::size_t(shape.part)];
  room.resize(std::size_t(shape.size()));
  read(s, shape, room.data());
  return room.data();
}

void Checkpoint::read(const Source& s, const PartShape& shape, float* out) const {
  s.file->check_whole();
  const std::byte* bytes = s.tensor->bytes.data();
  switch (s.tensor->type) {
    case formats::StoredType::f32:
      convert_rows<float>(bytes, s.place, shape, out, [](float v) { return v; });
      break;
    case formats::StoredType::f16:
      convert_rows<std::uint16_t>(bytes, s.place, shape, out, formats::from_fp16);
      break;
    case formats::StoredType::bf16:
      convert_rows<std::uint16_t>(bytes, s.place, shape, out, formats::from_bf16);
      break;
    case formats::StoredType::u8:
      read_mxfp4(*s.tensor, *s.scales, s.place, shape, out);
      break;
    default: {
      const auto& table = formats::e4m3_table();
      convert_rows<std::uint8_t>(bytes, s.place, shape, out, [&table](std::uint8_t v) { return table[v]; });
      apply_block_scales(*s.scales, shape, out);
    }
  }
  check_numbers(s, shape, out);
}

void Checkpoint::check_numbers(const Source& s, const PartShape& shape, const float* values) const {
  for (std::int64_t i = 0; i < shape.size(); ++i)
    if (!std::isfinite(values[i]))
      throw ConfigError(fmt::format("{}: tensor {}: expected finite numbers, got {} at row {}, column {}",
                                    s.file->file(), s.place.name, values[i], i / shape.columns, i % shape.columns));
}
}  // namespace moesim::numerics
