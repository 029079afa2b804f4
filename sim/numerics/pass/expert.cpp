#include "numerics/pass/expert.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <span>

namespace moesim::numerics {
namespace {
constexpr int kMostRows = 512;  // of one task: a hot expert is shared by several threads

/// Some of one expert's tokens; `choices` are positions in the routing's (tokens, top_k) list.
struct Task {
  int expert = 0;
  std::span<const int> choices;
};

/// The choices of each expert in token order, cut into tasks, largest first so that threads end together.
std::vector<Task> tasks_of(const Routing& routing, int experts, std::vector<int>& choices) {
  std::vector<int> begin(std::size_t(experts) + 1);
  for (const int e : routing.experts)
    if (e >= 0) ++begin[std::size_t(e) + 1];
  std::partial_sum(begin.begin(), begin.end(), begin.begin());
  choices.resize(std::size_t(begin.back()));
  std::vector<int> at(begin.begin(), begin.end() - 1);
  for (std::size_t i = 0; i < routing.experts.size(); ++i)
    if (routing.experts[i] >= 0) choices[std::size_t(at[std::size_t(routing.experts[i])]++)] = int(i);
  std::vector<Task> tasks;
  for (int e = 0; e < experts; ++e)
    for (int first = begin[std::size_t(e)]; first < begin[std::size_t(e) + 1]; first += kMostRows) {
      const int count = std::min(kMostRows, begin[std::size_t(e) + 1] - first);
      tasks.push_back({e, std::span<const int>(choices).subspan(std::size_t(first), std::size_t(count))});
    }
  std::ranges::stable_sort(tasks, std::greater{}, [](const Task& t) { return t.choices.size(); });
  return tasks;
}

struct Buffers {
  Matrix x, gate, up, down;
};

void run_task(const Machine& machine, const spec::Model& model, const FfnWeights& w, const Task& task,
              const Routing& routing, const Matrix& x, Buffers& b, Matrix& results) {
  const int rows = int(task.choices.size()), hidden = x.columns, width = w.up.matrix.rows;
  gather(model, routing, task.choices, x, b.x);
  resize(b.gate, rows, width);
  resize(b.up, rows, width);
  resize(b.down, rows, hidden);
  const Arithmetic& arithmetic = machine.arithmetic;
  const bool gated = w.gate.matrix.data != nullptr;
  linear_here(arithmetic, b.x.view(), gated ? w.gate : w.up, LinearRole::expert, b.gate.row(0), width);
  if (gated) linear_here(arithmetic, b.x.view(), w.up, LinearRole::expert, b.up.row(0), width);
  activate(activation_of(model), b.gate.row(0), b.up.row(0), std::int64_t(rows) * width);
  linear_here(arithmetic, b.gate.view(), w.down, LinearRole::expert, b.down.row(0), hidden);
  for (int r = 0; r < rows; ++r) std::copy_n(b.down.row(r), hidden, results.row(task.choices[std::size_t(r)]));
}
}  // namespace

void gather(const spec::Model& model, const Routing& routing, std::span<const int> choices, const Matrix& x,
            Matrix& rows) {
  const bool weight_on_input = model.moe->selection == spec::Selection::top1_input;
  resize(rows, int(choices.size()), x.columns);
  for (int r = 0; r < rows.rows; ++r) {
    const int choice = choices[std::size_t(r)];
    const float* from = x.row(choice / routing.top_k);
    float* to = rows.row(r);
    std::copy_n(from, x.columns, to);
    if (!weight_on_input) continue;
    const float scale = routing.weights[std::size_t(choice)];
    for (int i = 0; i < x.columns; ++i) to[i] *= scale;
  }
}

void combine(const Machine& machine, const spec::Model& model, const Routing& routing, const Matrix& results,
             Matrix& out) {
  const bool weight_on_input = model.moe->selection == spec::Selection::top1_input;
  each_block(machine, out.rows, 64, [&](int first, int count) {
    for (int t = first; t < first + count; ++t)
      for (int k = 0; k < routing.top_k; ++k) {
        const int choice = t * routing.top_k + k;
        if (routing.experts[std::size_t(choice)] < 0) continue;
        const float weight = weight_on_input ? 1.0F : routing.weights[std::size_t(choice)];
        const float* from = results.row(choice);
        float* to = out.row(t);
        for (int i = 0; i < out.columns; ++i) to[i] += weight * from[i];
      }
  });
}

void feed_forward(const Machine& machine, const FfnWeights& w, Activation activation, LinearRole role, const Matrix& x,
                  Matrix& out) {
  Matrix gate, up;
  const bool gated = w.gate.matrix.data != nullptr;
  linear(machine, x.view(), gated ? w.gate : w.up, role, gate);
  if (gated) linear(machine, x.view(), w.up, role, up);
  each_block(machine, x.rows, 64, [&](int first, int count) {
    activate(activation, gate.row(first), gated ? up.row(first) : nullptr, std::int64_t(count) * gate.columns);
  });
  linear(machine, gate.view(), w.down, role, out);
}

void run_experts(const Machine& machine, const spec::Model& model, Weights& weights, int layer, const Routing& routing,
                 const Matrix& x, std::vector<WeightScratch>& scratch, Matrix& out) {
  std::vector<int> choices;
  const std::vector<Task> tasks = tasks_of(routing, model.moe->experts, choices);
  Matrix results;
  resize(results, routing.tokens * routing.top_k, x.columns);
  std::vector<Buffers> buffers(std::size_t(machine.threads.count()));
  machine.threads.each(int(tasks.size()), [&](int index, int worker) {
    const Task& task = tasks[std::size_t(index)];
    const FfnWeights w = expert_weights(model, weights, layer, task.expert, scratch[std::size_t(worker)]);
    run_task(machine, model, w, task, routing, x, buffers[std::size_t(worker)], results);
  });
  combine(machine, model, routing, results, out);
}
}  // namespace moesim::numerics
