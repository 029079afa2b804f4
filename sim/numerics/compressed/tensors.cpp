#include "numerics/compressed/tensors.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>

#include "core/check.h"
#include "numerics/weights/tensor_values.h"

namespace moesim::numerics {
CompressedTensors::CompressedTensors(const CompressedShape& shape, const std::string& folder)
    : shape_(shape), folder_(folder) {
  add_all();
  if (claimed_ == folder_->tensors().size()) return;
  for (const auto& [name, found] : folder_->tensors())
    if (!tensors_.contains(name) && !name.ends_with("tid2eid"))
      throw ConfigError(fmt::format("{}: tensor {} {} has no place in the model ({} layers, {} experts)",
                                    found.file->file(), name, formats::shape_text(found.tensor->shape), shape.layers,
                                    shape.experts));
  throw ConfigError(fmt::format("{}: a table of experts by token id belongs to none of the first {} layers", folder,
                                shape.hashed_layers));
}

CompressedTensors::CompressedTensors(const CompressedShape& shape, std::uint64_t seed) : shape_(shape), seed_(seed) {
  add_all();
}

void CompressedTensors::add_all() {
  const CompressedShape& shape = shape_;
  add("embed.weight", shape.vocabulary, shape.hidden);
  add("norm.weight", 0, shape.hidden);
  add("head.weight", shape.vocabulary, shape.hidden);
  const std::int64_t streams = shape.streams, flat = streams * shape.hidden;
  add("hc_head_fn", streams, flat);
  add("hc_head_base", 0, streams);
  add("hc_head_scale", 0, 1);
  for (int layer = 0; layer < shape.layers; ++layer) add_layer(layer);
}

void CompressedTensors::add_layer(int layer) {
  const std::string prefix = fmt::format("layers.{}.", layer);
  const std::int64_t streams = shape_.streams, mixes = (2 + streams) * streams;
  for (const char* const part : {"attn", "ffn"}) {
    add(fmt::format("{}hc_{}_fn", prefix, part), mixes, streams * shape_.hidden);
    add(fmt::format("{}hc_{}_base", prefix, part), 0, mixes);
    add(fmt::format("{}hc_{}_scale", prefix, part), 0, 3);
    add(fmt::format("{}{}_norm.weight", prefix, part), 0, shape_.hidden);
  }
  add_attention(prefix + "attn.", layer);
  add_experts(prefix + "ffn.", layer);
}

void CompressedTensors::add_compressor(const std::string& prefix, int ratio, int width) {
  const int columns = ratio == CompressedShape::kIndexedRatio ? 2 * width : width;
  add(prefix + "ape", ratio, columns);
  add(prefix + "wkv.weight", columns, shape_.hidden);
  add(prefix + "wgate.weight", columns, shape_.hidden);
  add(prefix + "norm.weight", 0, width);
}

void CompressedTensors::add_attention(const std::string& prefix, int layer) {
  const CompressedShape& s = shape_;
  const std::int64_t q = std::int64_t{s.heads} * s.head_dim, low = std::int64_t{s.groups} * s.group_rank;
  add(prefix + "attn_sink", 0, s.heads);
  add(prefix + "wq_a.weight", s.query_rank, s.hidden);
  add(prefix + "q_norm.weight", 0, s.query_rank);
  add(prefix + "wq_b.weight", q, s.query_rank);
  add(prefix + "wkv.weight", s.head_dim, s.hidden);
  add(prefix + "kv_norm.weight", 0, s.head_dim);
  add(prefix + "wo_a.weight", low, q / s.groups);
  add(prefix + "wo_b.weight", s.hidden, low);
  if (s.has_entries(layer)) add_compressor(prefix + "compressor.", s.ratios[std::size_t(layer)], s.head_dim);
  if (!s.has_indexer(layer)) return;
  add(prefix + "indexer.wq_b.weight", std::int64_t{s.index_heads} * s.index_dim, s.query_rank);
  add(prefix + "indexer.weights_proj.weight", s.index_heads, s.hidden);
  add_compressor(prefix + "indexer.compressor.", s.ratios[std::size_t(layer)], s.index_dim);
}

void CompressedTensors::add_experts(const std::string& prefix, int layer) {
  const CompressedShape& s = shape_;
  add(prefix + "gate.weight", s.experts, s.hidden);
  if (layer < s.hashed_layers)
    add_table(layer, prefix + "gate.tid2eid");
  else
    add(prefix + "gate.bias", 0, s.experts);
  const auto network = [&](const std::string& name, int width) {
    add(name + "w1.weight", width, s.hidden);
    add(name + "w2.weight", s.hidden, width);
    add(name + "w3.weight", width, s.hidden);
  };
  if (s.shared_width > 0) network(prefix + "shared_experts.", s.shared_width);
  for (int e = 0; e < s.experts; ++e) network(fmt::format("{}experts.{}.", prefix, e), s.expert_width);
}

const formats::StoredTensor& CompressedTensors::claim(const std::string& name, const std::vector<std::int64_t>& shape) {
  const formats::SafetensorsFolder::Found found = folder_->find(name);
  if (found.tensor == nullptr)
    throw ConfigError(fmt::format("{}: tensor {} is missing; {} needs it with shape {}", folder_->folder(), name,
                                  shape_.name, formats::shape_text(shape)));
  if (found.tensor->shape != shape)
    throw ConfigError(fmt::format("{}: tensor {}: has shape {}, but the model's configuration says {}",
                                  found.file->file(), name, formats::shape_text(found.tensor->shape),
                                  formats::shape_text(shape)));
  found.file->check_whole();
  ++claimed_;
  return *found.tensor;
}

/// rows: 0 for a vector.
void CompressedTensors::add(const std::string& name, std::int64_t rows, std::int64_t columns) {
  if (!folder_) return draw(name, rows, columns);
  const formats::StoredTensor& t =
      claim(name, rows > 0 ? std::vector<std::int64_t>{rows, columns} : std::vector<std::int64_t>{columns});
  const std::string file = folder_->find(name).file->file();
  switch (t.type) {
    case formats::StoredType::f32:
    case formats::StoredType::f16:
    case formats::StoredType::bf16:
      break;
    default:
      throw ConfigError(
          fmt::format("{}: tensor {}: is stored as {}; expected F32, F16 or BF16", file, name, name_of(t.type)));
  }
  std::vector<double> values(std::size_t(t.elements()));
  read_values(t, 0, values);
  Values& out = tensors_[name];
  out = {std::max<std::int64_t>(rows, 1), columns, {}};
  for (const double v : values) {
    if (!std::isfinite(v)) throw ConfigError(fmt::format("{}: tensor {}: holds a value that is no number", file, name));
    out.values.push_back(float(v));
  }
}

void CompressedTensors::add_table(int layer, const std::string& name) {
  if (!folder_) return draw_table(layer, name);
  const formats::StoredTensor& t = claim(name, {shape_.vocabulary, shape_.top_k});
  const std::string file = folder_->find(name).file->file();
  if (t.type != formats::StoredType::i64)
    throw ConfigError(fmt::format("{}: tensor {}: is stored as {}; expected I64", file, name, name_of(t.type)));
  std::vector<std::int64_t>& table = tables_[layer];
  table.resize(std::size_t(t.elements()));
  std::memcpy(table.data(), t.bytes.data(), t.bytes.size());
  for (const std::int64_t expert : table)
    if (expert < 0 || expert >= shape_.experts)
      throw ConfigError(fmt::format("{}: tensor {}: names expert {} of {}", file, name, expert, shape_.experts));
}

MatrixView CompressedTensors::matrix(const std::string& name) const {
  const auto at = tensors_.find(name);
  check(at != tensors_.end(), "tensor {} is not in the checkpoint", name);
  const Values& v = at->second;
  return {v.values.data(), int(v.rows), int(v.columns), v.columns};
}

const std::int64_t* CompressedTensors::experts_of(int layer, int token) const {
  return tables_.at(layer).data() + std::int64_t{token} * shape_.top_k;
}
}  // namespace moesim::numerics
