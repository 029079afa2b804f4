// A checkpoint of DeepSeek-V4 of small random weights, and the same numbers in double precision.
#pragma once
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "numerics/compressed/shape.h"
#include "support/safetensors.h"

namespace moesim::numerics {
using Row = std::vector<double>;

/// Tensors by name, with shapes written out from the released model's description.
class DrawnV4 {
 public:
  DrawnV4(const CompressedShape& s, std::uint64_t seed) : s_(s), state_(seed) {
    const int flat = s.streams * s.hidden, mixes = (2 + s.streams) * s.streams;
    add("embed.weight", s.vocabulary, s.hidden), add("head.weight", s.vocabulary, s.hidden),
        add("norm.weight", 0, s.hidden);
    add("hc_head_fn", s.streams, flat), add("hc_head_base", 0, s.streams), add("hc_head_scale", 0, 1);
    for (int layer = 0; layer < s.layers; ++layer) {
      const std::string at = fmt::format("layers.{}.", layer);
      for (const char* part : {"attn", "ffn"}) {
        add(at + "hc_" + part + "_fn", mixes, flat), add(at + "hc_" + part + "_base", 0, mixes);
        add(at + "hc_" + part + "_scale", 0, 3), add(at + part + "_norm.weight", 0, s.hidden);
      }
      attention(at + "attn.", s.ratios[std::size_t(layer)]);
      experts(at + "ffn.", layer);
    }
  }
  /// Rows of a matrix; one row of a vector.
  const std::vector<Row>& at(const std::string& name) const { return rows_.at(name); }
  std::int64_t expert(int layer, int token, int k) const {
    return tables_.at(layer)[std::size_t(token * s_.top_k + k)];
  }
  void write(const std::string& file) const { test::write_safetensors(file, tensors_); }
  /// The same without one tensor.
  void write_without(const std::string& file, const std::string& name) const {
    auto fewer = tensors_;
    fewer.erase(name);
    test::write_safetensors(file, fewer);
  }

 private:
  double draw() {
    state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
    return double(state_ >> 40) / double(1 << 24) - 0.5;
  }
  void add(const std::string& name, int rows, int columns) {
    const bool norm = name.ends_with("norm.weight");
    std::vector<float>& values = floats_[name];
    std::vector<Row>& out = rows_[name];
    for (int r = 0; r < std::max(rows, 1); ++r) {
      out.emplace_back();
      for (int c = 0; c < columns; ++c) {
        values.push_back(float(norm ? 1 + 0.2 * draw() : draw()));
        out.back().push_back(double(values.back()));
      }
    }
    tensors_[name] = {formats::StoredType::f32,
                      rows > 0 ? std::vector<std::int64_t>{rows, columns} : std::vector<std::int64_t>{columns},
                      std::as_bytes(std::span(values))};
  }
  void compressor(const std::string& at, int ratio, int width) {
    const int columns = ratio == 4 ? 2 * width : width;
    add(at + "ape", ratio, columns), add(at + "wkv.weight", columns, s_.hidden);
    add(at + "wgate.weight", columns, s_.hidden), add(at + "norm.weight", 0, width);
  }
  void attention(const std::string& at, int ratio) {
    const int q = s_.heads * s_.head_dim, low = s_.groups * s_.group_rank;
    add(at + "attn_sink", 0, s_.heads), add(at + "wq_a.weight", s_.query_rank, s_.hidden);
    add(at + "q_norm.weight", 0, s_.query_rank), add(at + "wq_b.weight", q, s_.query_rank);
    add(at + "wkv.weight", s_.head_dim, s_.hidden), add(at + "kv_norm.weight", 0, s_.head_dim);
    add(at + "wo_a.weight", low, q / s_.groups), add(at + "wo_b.weight", s_.hidden, low);
    if (ratio > 0) compressor(at + "compressor.", ratio, s_.head_dim);
    if (ratio != 4) return;
    add(at + "indexer.wq_b.weight", s_.index_heads * s_.index_dim, s_.query_rank);
    add(at + "indexer.weights_proj.weight", s_.index_heads, s_.hidden);
    compressor(at + "indexer.compressor.", ratio, s_.index_dim);
  }
  void network(const std::string& at, int width) {
    add(at + "w1.weight", width, s_.hidden), add(at + "w2.weight", s_.hidden, width),
        add(at + "w3.weight", width, s_.hidden);
  }
  void experts(const std::string& at, int layer) {
    add(at + "gate.weight", s_.experts, s_.hidden);
    if (layer < s_.hashed_layers) {
      std::vector<std::int64_t>& table = tables_[layer];
      for (int t = 0; t < s_.vocabulary; ++t)
        for (int k = 0; k < s_.top_k; ++k) table.push_back((t * 5 + layer + k * 3) % s_.experts);
      tensors_[at + "gate.tid2eid"] = {
          formats::StoredType::i64, {s_.vocabulary, s_.top_k}, std::as_bytes(std::span(table))};
    } else {
      add(at + "gate.bias", 0, s_.experts);
    }
    network(at + "shared_experts.", s_.shared_width);
    for (int e = 0; e < s_.experts; ++e) network(fmt::format("{}experts.{}.", at, e), s_.expert_width);
  }

  const CompressedShape& s_;
  std::uint64_t state_;
  std::map<std::string, std::vector<float>> floats_;
  std::map<std::string, std::vector<Row>> rows_;
  std::map<int, std::vector<std::int64_t>> tables_;
  std::map<std::string, formats::StoredTensor> tensors_;
};
}  // namespace moesim::numerics
