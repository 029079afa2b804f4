#include "numerics/compressed/attention.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "numerics/algebra/elementwise.h"

namespace moesim::numerics {
namespace {
struct Layer {
  const Machine& machine;
  const CompressedShape& shape;
  const CompressedTensors& tensors;
  const Turn& turn;
  std::string prefix;  // "layers.3.attn."
  int ratio = 0;

  Matrix project(const MatrixView& x, const char* name) const {
    Matrix out;
    linear(machine, x, {tensors.matrix(prefix + name), nullptr}, LinearRole::attention, out);
    return out;
  }
  void norm(Matrix& x, const char* name) const {
    rms_norm(x.values.data(), x.columns, x.rows, x.columns, tensors.vector(prefix + name), shape.norm_epsilon, false,
             x.values.data(), x.columns);
  }
};

/// Queries of all heads, each normed without weights and turned.
Matrix queries(const Layer& l, const Matrix& latent, int start) {
  const CompressedShape& s = l.shape;
  Matrix q = l.project(latent.view(), "wq_b.weight");
  rms_norm(q.values.data(), s.head_dim, q.rows * s.heads, s.head_dim, nullptr, s.norm_epsilon, false, q.values.data(),
           s.head_dim);
  for (int t = 0; t < q.rows; ++t)
    for (int head = 0; head < s.heads; ++head) l.turn.forwards(q.row(t) + head * s.head_dim, s.head_dim, start + t);
  return q;
}

/// Scores of the `count` first entries for one token: the weighted sum of what is positive of q . k over the heads.
std::vector<double> scores(const CompressedShape& s, const float* q, const float* weights, const EntryCache& keys,
                           int count) {
  const double scale = 1 / std::sqrt(double(s.index_heads)) / std::sqrt(double(s.index_dim));
  std::vector<double> out(static_cast<std::size_t>(count));
  for (int entry = 0; entry < count; ++entry) {
    const float* const key = keys.entries.data() + std::int64_t(entry) * s.index_dim;
    for (int head = 0; head < s.index_heads; ++head) {
      const float* const own = q + head * s.index_dim;
      const double product = std::inner_product(own, own + s.index_dim, key, 0.0);
      out[std::size_t(entry)] += std::max(product, 0.0) * double(weights[head]) * scale;
    }
  }
  return out;
}

/// The best `most` of the complete entries, equal ones by lower number, in rising order.
std::vector<int> best(const std::vector<double>& scores, int most) {
  std::vector<int> out(scores.size());
  std::iota(out.begin(), out.end(), 0);
  if (std::size_t(most) >= out.size()) return out;
  std::nth_element(out.begin(), out.begin() + most, out.end(), [&](int a, int b) {
    const double x = scores[std::size_t(a)], y = scores[std::size_t(b)];
    return x != y ? x > y : a < b;
  });
  out.resize(std::size_t(most));
  std::sort(out.begin(), out.end());
  return out;
}

/// The entries that each row attends to.
std::vector<std::vector<int>> choose(const Layer& l, const Matrix& h, const Matrix& latent, int start,
                                     EntryCache& index, bool indexed) {
  const CompressedShape& s = l.shape;
  std::vector<std::vector<int>> out(static_cast<std::size_t>(h.rows));
  const auto complete = [&](int t) { return (start + t + 1) / l.ratio; };
  if (!indexed) {
    for (int t = 0; t < h.rows; ++t) {
      std::vector<int>& all = out[std::size_t(t)];
      all.resize(std::size_t(complete(t)));
      std::iota(all.begin(), all.end(), 0);
    }
    return out;
  }
  compress(l.machine, s, l.tensors, l.prefix + "indexer.compressor.", l.ratio, s.index_dim, l.turn, h.view(), index);
  Matrix q = l.project(latent.view(), "indexer.wq_b.weight");
  Matrix weights;
  linear(l.machine, h.view(), {l.tensors.matrix(l.prefix + "indexer.weights_proj.weight"), nullptr}, LinearRole::router,
         weights);
  l.machine.threads.each(h.rows, [&](int t, int) {
    for (int head = 0; head < s.index_heads; ++head)
      l.turn.forwards(q.row(t) + head * s.index_dim, s.index_dim, start + t);
    out[std::size_t(t)] = best(scores(s, q.row(t), weights.row(t), index, complete(t)), s.index_picks);
  });
  return out;
}

/// One token's heads over its keys (keys, head_dim), with a sink a head; out (heads * head_dim), turned back.
void attend(const Layer& l, const float* q, const MatrixView& keys, int position, float* out) {
  const CompressedShape& s = l.shape;
  const float* const sinks = l.tensors.vector(l.prefix + "attn_sink");
  std::vector<float> logits(std::size_t(s.heads) * std::size_t(keys.rows));
  multiply_transposed({q, s.heads, s.head_dim, s.head_dim}, keys, logits.data(), keys.rows,
                      float(1 / std::sqrt(double(s.head_dim))));
  for (int head = 0; head < s.heads; ++head)
    softmax(logits.data() + std::int64_t(head) * keys.rows, keys.rows, sinks + head);
  multiply({logits.data(), s.heads, keys.rows, keys.rows}, keys, out, s.head_dim);
  for (int head = 0; head < s.heads; ++head) l.turn.backwards(out + head * s.head_dim, s.head_dim, position);
}

/// Heads in groups, each to a narrow vector of its own, then all of these to the width.
void project_output(const Layer& l, const Matrix& heads, Matrix& out) {
  const CompressedShape& s = l.shape;
  const MatrixView narrow = l.tensors.matrix(l.prefix + "wo_a.weight");
  const int width = heads.columns / s.groups;
  Matrix low(heads.rows, s.groups * s.group_rank);
  l.machine.threads.each(s.groups, [&](int group, int) {
    const MatrixView part{narrow.data + std::int64_t(group) * s.group_rank * narrow.stride, s.group_rank, width,
                          narrow.stride};
    linear_here(l.machine.arithmetic, {heads.row(0) + group * width, heads.rows, width, heads.columns}, {part, nullptr},
                LinearRole::attention, low.row(0) + group * s.group_rank, low.columns);
  });
  linear(l.machine, low.view(), {l.tensors.matrix(l.prefix + "wo_b.weight"), nullptr}, LinearRole::attention, out);
}
}  // namespace

void compressed_attention(const Machine& machine, const CompressedShape& shape, const CompressedTensors& tensors,
                          int layer, const Turn& turn, const Matrix& h, CompressedLayerCache& cache, Matrix& out,
                          std::vector<std::vector<int>>* picks) {
  const Layer l{machine, shape, tensors, turn, fmt::format("layers.{}.attn.", layer), shape.ratios[std::size_t(layer)]};
  const int start = cache.tokens, held = int(cache.window.size()) / shape.head_dim;
  Matrix latent = l.project(h.view(), "wq_a.weight");
  l.norm(latent, "q_norm.weight");
  const Matrix q = queries(l, latent, start);
  Matrix kv = l.project(h.view(), "wkv.weight");
  l.norm(kv, "kv_norm.weight");
  for (int t = 0; t < kv.rows; ++t) turn.forwards(kv.row(t), shape.head_dim, start + t);
  cache.window.insert(cache.window.end(), kv.values.begin(), kv.values.end());
  std::vector<std::vector<int>> chosen(static_cast<std::size_t>(h.rows));
  if (shape.has_entries(layer)) {
    compress(machine, shape, tensors, l.prefix + "compressor.", l.ratio, shape.head_dim, turn, h.view(), cache.entries);
    chosen = choose(l, h, latent, start, cache.index, shape.has_indexer(layer));
    if (shape.has_indexer(layer) && picks != nullptr) *picks = chosen;
  }
  Matrix heads(h.rows, shape.heads * shape.head_dim);
  machine.threads.each(h.rows, [&](int t, int) {
    const std::vector<int>& entries = chosen[std::size_t(t)];
    const int first = std::max(0, held + t + 1 - shape.window), last = held + t + 1;
    std::vector<float> keys;
    keys.reserve((std::size_t(last - first) + entries.size()) * std::size_t(shape.head_dim));
    const auto take = [&](const std::vector<float>& from, int begin, int end) {
      keys.insert(keys.end(), from.begin() + std::ptrdiff_t(begin) * shape.head_dim,
                  from.begin() + std::ptrdiff_t(end) * shape.head_dim);
    };
    take(cache.window, first, last);
    for (const int entry : entries) take(cache.entries.entries, entry, entry + 1);
    const int rows = last - first + int(entries.size());
    attend(l, q.row(t), {keys.data(), rows, shape.head_dim, shape.head_dim}, start + t, heads.row(t));
  });
  cache.tokens += h.rows;
  const std::ptrdiff_t beyond = (held + h.rows - (shape.window - 1)) * std::ptrdiff_t(shape.head_dim);
  if (beyond > 0) cache.window.erase(cache.window.begin(), cache.window.begin() + beyond);
  project_output(l, heads, out);
}
}  // namespace moesim::numerics
