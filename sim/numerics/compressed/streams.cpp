#include "numerics/compressed/streams.h"

#include <algorithm>
#include <cmath>

#include "core/elementary.h"

namespace moesim::numerics {
namespace {
double sigmoid_of(double x) { return 1 / (1 + exp_of(-x)); }

/// The maps of the flat streams, which are normed after the product: (tokens, outputs).
Matrix project(const Machine& machine, const CompressedShape& shape, const MatrixView& map, const Matrix& x) {
  Matrix out;
  linear(machine, x.view(), {map, nullptr}, LinearRole::router, out);
  for (int t = 0; t < x.rows; ++t) {
    double square = 0;
    for (int i = 0; i < x.columns; ++i) square += double(x.row(t)[i]) * double(x.row(t)[i]);
    const double scale = 1 / std::sqrt(square / x.columns + shape.norm_epsilon);
    for (int i = 0; i < out.columns; ++i) out.row(t)[i] = float(double(out.row(t)[i]) * scale);
  }
  return out;
}

void divide_columns(std::vector<double>& m, int n, double epsilon) {
  for (int j = 0; j < n; ++j) {
    double sum = epsilon;
    for (int i = 0; i < n; ++i) sum += m[std::size_t(i * n + j)];
    for (int i = 0; i < n; ++i) m[std::size_t(i * n + j)] /= sum;
  }
}
void divide_rows(std::vector<double>& m, int n, double epsilon) {
  for (int i = 0; i < n; ++i) {
    double sum = epsilon;
    for (int j = 0; j < n; ++j) sum += m[std::size_t(i * n + j)];
    for (int j = 0; j < n; ++j) m[std::size_t(i * n + j)] /= sum;
  }
}

/// Rows become probabilities, then rows and columns are divided by their sums in turn (Sinkhorn), columns last.
void sinkhorn(std::vector<double>& m, int n, int rounds, double epsilon) {
  for (int i = 0; i < n; ++i) {
    const auto row = m.begin() + i * n;
    const double most = *std::max_element(row, row + n);
    for (int j = 0; j < n; ++j) row[j] = exp_of(row[j] - most);
  }
  divide_rows(m, n, 0);
  for (double& v : m) v += epsilon;
  divide_columns(m, n, epsilon);
  for (int round = 1; round < rounds; ++round) {
    divide_rows(m, n, epsilon);
    divide_columns(m, n, epsilon);
  }
}
}  // namespace

StreamMix mix_streams(const Machine& machine, const CompressedShape& shape, const CompressedTensors& tensors,
                      const std::string& prefix, const Matrix& x) {
  const int n = shape.streams;
  const Matrix mixes = project(machine, shape, tensors.matrix(prefix + "_fn"), x);
  const float* const base = tensors.vector(prefix + "_base");
  const float* const scale = tensors.vector(prefix + "_scale");
  StreamMix out;
  out.streams = n;
  std::vector<double> carry(std::size_t(n * n));
  for (int t = 0; t < x.rows; ++t) {
    const auto at = [&](int i, int part) { return double(mixes.row(t)[i]) * double(scale[part]) + double(base[i]); };
    for (int i = 0; i < n; ++i) out.read.push_back(float(sigmoid_of(at(i, 0)) + shape.stream_epsilon));
    for (int i = 0; i < n; ++i) out.write.push_back(float(2 * sigmoid_of(at(n + i, 1))));
    for (int i = 0; i < n * n; ++i) carry[std::size_t(i)] = at(2 * n + i, 2);
    sinkhorn(carry, n, shape.sinkhorn_rounds, shape.stream_epsilon);
    for (const double v : carry) out.carry.push_back(float(v));
  }
  return out;
}

void read_streams(const CompressedShape& shape, const StreamMix& mix, const Matrix& x, Matrix& input) {
  resize(input, x.rows, shape.hidden);
  for (int t = 0; t < x.rows; ++t)
    for (int d = 0; d < shape.hidden; ++d) {
      float sum = 0;
      for (int i = 0; i < mix.streams; ++i)
        sum += mix.read[std::size_t(t * mix.streams + i)] * x.row(t)[i * shape.hidden + d];
      input.row(t)[d] = sum;
    }
}

void write_streams(const CompressedShape& shape, const StreamMix& mix, const Matrix& result, Matrix& x) {
  const int n = mix.streams;
  std::vector<float> before(static_cast<std::size_t>(n));
  for (int t = 0; t < x.rows; ++t) {
    const float* const carry = mix.carry.data() + std::size_t(t) * std::size_t(n * n);
    for (int d = 0; d < shape.hidden; ++d) {
      for (int i = 0; i < n; ++i) before[std::size_t(i)] = x.row(t)[i * shape.hidden + d];
      for (int to = 0; to < n; ++to) {
        float sum = mix.write[std::size_t(t * n + to)] * result.row(t)[d];
        for (int from = 0; from < n; ++from) sum += carry[from * n + to] * before[std::size_t(from)];
        x.row(t)[to * shape.hidden + d] = sum;
      }
    }
  }
}

void gather_streams(const Machine& machine, const CompressedShape& shape, const CompressedTensors& tensors,
                    const Matrix& x, Matrix& out) {
  const Matrix mixes = project(machine, shape, tensors.matrix("hc_head_fn"), x);
  const float* const base = tensors.vector("hc_head_base");
  const double scale = double(*tensors.vector("hc_head_scale"));
  StreamMix mix;
  mix.streams = shape.streams;
  for (int t = 0; t < x.rows; ++t)
    for (int i = 0; i < mix.streams; ++i)
      mix.read.push_back(float(sigmoid_of(double(mixes.row(t)[i]) * scale + double(base[i])) + shape.stream_epsilon));
  read_streams(shape, mix, x, out);
}
}  // namespace moesim::numerics
