// Mamba-2: a short convolution, then a state a head that decays by a step each token chooses, takes in the token, and
// is asked; the output is gated, then normed by groups. Source: arXiv 2405.21060, section 7; NVIDIA's
// modeling_nemotron_h.py.
#include <algorithm>

#include "core/elementary.h"
#include "numerics/algebra/elementwise.h"
#include "numerics/pass/attention_math.h"
#include "numerics/pass/short_convolution.h"

namespace moesim::numerics {
namespace {
/// One token at one head's state (head_dim, columns).
[[gnu::target_clones("avx512f", "avx2", "default")]] void step(int head_dim, int columns, float decay, float taken,
                                                               const float* x, const float* written, const float* asked,
                                                               float skip, float* state, float* out) {
  for (int i = 0; i < head_dim; ++i) {
    float* row = state + std::int64_t(i) * columns;
    const float in = taken * x[i];
    float sum = 0;
    for (int j = 0; j < columns; ++j) {
      row[j] = row[j] * decay + in * written[j];
      sum += row[j] * asked[j];
    }
    out[i] = sum + skip * x[i];
  }
}

/// All tokens of one segment at one head.  x: (rows, channels) after the convolution; steps: (rows, heads) as
/// projected.
struct Scan {
  const spec::MambaShape& shape;
  const MambaWeights& w;
  const Matrix& x;
  const Matrix& projected;
  Matrix& out;

  void run(const Segment& s, int head, float* state) const {
    const int group = head / (shape.heads / shape.groups), columns = shape.state;
    const double rate = exp_of(double(w.decay[head])), bias = double(w.step_bias[head]);
    const std::int64_t steps = shape.projected() - shape.heads + head;
    for (int r = s.first_row; r < s.first_row + s.rows; ++r) {
      const float* row = x.row(r);
      const double dt = softplus(double(projected.row(r)[steps]) + bias);
      const float* written = row + shape.inner() + std::int64_t(group) * columns;
      step(shape.head_dim, columns, float(exp_of(-dt * rate)), float(dt), row + std::int64_t(head) * shape.head_dim,
           written, written + std::int64_t(shape.groups) * columns, w.skip[head], state,
           out.row(r) + std::int64_t(head) * shape.head_dim);
    }
  }
};

/// out * silu(gate), then normed in groups.
void gate_and_norm(const Machine& machine, const spec::Model& model, const MambaWeights& w, const Matrix& projected,
                   Matrix& out) {
  const int groups = model.mamba->groups, each = out.columns / groups;
  each_block(machine, out.rows, 64, [&](int first, int count) {
    std::vector<float> open(std::size_t(out.columns));
    for (int r = first; r < first + count; ++r) {
      const float* gate = projected.row(r);
      float* row = out.row(r);
      sigmoid(gate, out.columns, open.data());
      for (int i = 0; i < out.columns; ++i) row[i] *= gate[i] * open[std::size_t(i)];
      for (int g = 0; g < groups; ++g)
        rms_norm(row + std::int64_t(g) * each, each, 1, each, w.norm + std::int64_t(g) * each, model.norm_epsilon,
                 false, row + std::int64_t(g) * each, each);
    }
  });
}

class MambaMath final : public AttentionMath {
 public:
  void run(const Machine& machine, const spec::Model& model, int layer, const LayerWeights& w, const Rope&, MlaForm,
           std::span<const Segment> segments, const Matrix& h, Matrix& heads_out) const override {
    const spec::MambaShape& s = *model.mamba;
    Matrix projected, x;
    linear(machine, h.view(), w.mamba.input, LinearRole::attention, projected);
    resize(x, h.rows, int(s.channels()));
    for (int r = 0; r < h.rows; ++r) std::copy_n(projected.row(r) + s.inner(), s.channels(), x.row(r));
    resize(heads_out, h.rows, int(s.inner()));
    for (const Segment& segment : segments) {
      KvLayer& cache = segment.cache->layers.at(std::size_t(layer));
      convolve(machine, s.convolution, w.mamba.convolution, w.mamba.convolution_bias, segment, cache, x);
      cache.state.resize(std::size_t(s.states()));
      cache.tokens += segment.rows;
    }
    const Scan scan{s, w.mamba, x, projected, heads_out};
    machine.threads.each(int(segments.size()) * s.heads, [&](int index, int) {
      const Segment& segment = segments[std::size_t(index / s.heads)];
      const int head = index % s.heads;
      float* all = segment.cache->layers[std::size_t(layer)].state.data();
      scan.run(segment, head, all + std::int64_t(head) * s.head_dim * s.state);
    });
    gate_and_norm(machine, model, w.mamba, projected, heads_out);
  }

  double softmax_factor(const spec::Model&) const override { return 1; }
};
}  // namespace

const AttentionMath& mamba_math() {
  static const MambaMath math;
  return math;
}
}  // namespace moesim::numerics
