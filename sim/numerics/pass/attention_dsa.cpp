// DeepSeek Sparse Attention: MLA over the keys that a lightning indexer picks for each query.  Source:
// DeepSeek-V3.2-Exp report, section 2.1, and DeepSeek's inference code.  There queries and keys of the indexer are
// turned by a Hadamard matrix and rounded to FP8; the turn is orthogonal, so exact scores are the same without it.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/ceil_div.h"
#include "core/check.h"
#include "numerics/algebra/elementwise.h"
#include "numerics/pass/attention_latent.h"
#include "numerics/pass/attention_math.h"

namespace moesim::numerics {
namespace {
constexpr double kKeyNormEpsilon = 1e-6;  // DeepSeek's inference code: LayerNorm of the indexer, also in GLM-5
constexpr int kQueries = 64;              // queries scored together

struct Index {
  Matrix q;        // (rows, heads * dim), positions applied
  Matrix k;        // (rows, dim), normed, positions applied
  Matrix weights;  // (rows, heads), both scales included
};

/// y = (x - mean) / sqrt(variance + epsilon) * weight + bias, in place.
void layer_norm(float* x, int n, const float* weight, const float* bias) {
  double mean = 0, square = 0;
  for (int i = 0; i < n; ++i) mean += double(x[i]);
  mean /= n;
  for (int i = 0; i < n; ++i) square += (double(x[i]) - mean) * (double(x[i]) - mean);
  const double scale = 1 / std::sqrt(square / n + kKeyNormEpsilon);
  for (int i = 0; i < n; ++i) x[i] = float((double(x[i]) - mean) * scale) * weight[i] + bias[i];
}

Index project_index(const Machine& machine, const spec::Model& model, int layer, const LayerWeights& w,
                    const Rope& rope, std::span<const Segment> segments, const Matrix& h, const Matrix& query_latent) {
  const spec::IndexerShape& x = *model.attention.indexer;
  Index out;
  linear(machine, query_latent.view(), w.index_query, LinearRole::attention, out.q);
  linear(machine, h.view(), w.index_key, LinearRole::attention, out.k);
  // The weights of the heads stay wide where others are rounded, as the router does.
  linear(machine, h.view(), w.index_weights, LinearRole::router, out.weights);
  const auto scale = float(1 / std::sqrt(double(x.heads)) / std::sqrt(double(x.head_dim)));
  const Rope turn = rope.with_pairs(x.interleaved_rope);
  for (const Segment& s : segments) {
    const int start = s.cache->layers.at(std::size_t(layer)).tokens;
    each_block(machine, s.rows, kQueries, [&](int first, int count) {
      const int row = s.first_row + first;
      for (int r = row; r < row + count; ++r) {
        layer_norm(out.k.row(r), x.head_dim, w.index_key_norm, w.index_key_norm_bias);
        for (int head = 0; head < x.heads; ++head) out.weights.row(r)[head] *= scale;
      }
      turn.rotate(out.q.row(row), count, out.q.columns, x.heads, x.head_dim, start + first);
      turn.rotate(out.k.row(row), count, out.k.columns, 1, 0, start + first);
    });
  }
  return out;
}

/// scores (rows, keys): the heads' weighted sum of what is positive of q . k.
void score(const spec::IndexerShape& x, const Index& index, int first_row, int rows, const std::vector<float>& keys,
           int count, std::vector<float>& products, std::vector<float>& scores) {
  scores.assign(std::size_t(rows) * std::size_t(count), 0.0F);
  products.resize(scores.size());
  for (int head = 0; head < x.heads; ++head) {
    multiply_transposed({index.q.row(first_row) + head * x.head_dim, rows, x.head_dim, index.q.columns},
                        {keys.data(), count, x.head_dim, x.head_dim}, products.data(), count);
    for (int r = 0; r < rows; ++r) {
      const float weight = index.weights.row(first_row + r)[head];
      const float* p = products.data() + std::int64_t(r) * count;
      float* s = scores.data() + std::int64_t(r) * count;
      for (int i = 0; i < count; ++i) s[i] += std::max(p[i], 0.0F) * weight;
    }
  }
}

/// The `k` best of n scores, equal ones by lower position, in rising order.
void pick(const float* scores, int n, int k, std::vector<int>& order, int* out) {
  order.resize(std::size_t(n));
  std::iota(order.begin(), order.end(), 0);
  if (k < n)
    std::nth_element(order.begin(), order.begin() + k, order.end(),
                     [&](int a, int b) { return scores[a] != scores[b] ? scores[a] > scores[b] : a < b; });
  std::copy_n(order.begin(), k, out);
  std::sort(out, out + k);
}

/// The picks of a segment whose index keys are in its cache already.
IndexPicks picks_of(const Machine& machine, const spec::IndexerShape& x, const Index& index, const Segment& s,
                    const KvLayer& cache) {
  IndexPicks out;
  out.begins.push_back(0);
  for (int r = 0; r < s.rows; ++r)
    out.begins.push_back(out.begins.back() + std::size_t(std::min(x.top_k, cache.tokens + r + 1)));
  out.positions.resize(out.begins.back());
  const int blocks = ceil_div(s.rows, kQueries);
  machine.threads.each(blocks, [&](int block, int) {
    const int first = block * kQueries, rows = std::min(kQueries, s.rows - first), keys = cache.tokens + first + rows;
    std::vector<float> products, scores;
    std::vector<int> order;
    score(x, index, s.first_row + first, rows, cache.index_keys, keys, products, scores);
    for (int r = 0; r < rows; ++r) {
      const int seen = cache.tokens + first + r + 1;
      pick(scores.data() + std::int64_t(r) * keys, seen, std::min(x.top_k, seen), order,
           out.positions.data() + out.begins[std::size_t(first + r)]);
    }
  });
  return out;
}

class SparseMath final : public AttentionMath {
 public:
  void run(const Machine& machine, const spec::Model& model, int layer, const LayerWeights& w, const Rope& rope,
           MlaForm form, std::span<const Segment> segments, const Matrix& h, Matrix& heads_out) const override {
    const Latents l = project_latents(machine, model, layer, w, rope, segments, h);
    if (spec::layer_shape(model, layer).attention.index == spec::IndexUse::own) {
      const spec::IndexerShape& x = *model.attention.indexer;
      const Index index = project_index(machine, model, layer, w, rope, segments, h, l.query_latent);
      for (const Segment& s : segments) {
        KvLayer& cache = s.cache->layers[std::size_t(layer)];
        cache.index_keys.insert(cache.index_keys.end(), index.k.row(s.first_row),
                                index.k.row(s.first_row) + std::int64_t(s.rows) * x.head_dim);
        s.cache->picks = picks_of(machine, x, index, s, cache);
      }
    }
    resize(heads_out, h.rows, model.attention.heads * model.attention.v_head_dim);
    for (const Segment& s : segments) {
      check(s.cache->picks.rows() == s.rows, "layer {} shares the picks of {} rows for {}", layer,
            s.cache->picks.rows(), s.rows);
      attend_latents(machine, model, layer, w, form, s, l, &s.cache->picks, heads_out);
    }
  }
  double softmax_factor(const spec::Model& model) const override { return latent_softmax_factor(model); }
};
}  // namespace

const AttentionMath& sparse_math() {
  static const SparseMath math;
  return math;
}
}  // namespace moesim::numerics
