#include "sizing/instance_shapes.h"

#include <fmt/format.h>

#include <algorithm>

namespace moesim::sizing {
std::vector<int> or_else(const std::vector<int>& asked, const std::vector<int>& usual) {
  return asked.empty() ? usual : asked;
}

namespace {
std::vector<int> tensor_degrees(const Plan& plan, const PricedNode& node) {
  std::vector<int> out;
  for (int t = 1; t <= node.node.gpus; t *= 2)
    if (plan.model.attention.heads % t == 0) out.push_back(t);
  return or_else(plan.section.candidates.tensor, out);
}

/// Attention ranks beside a tensor degree: powers of two within what may be had, and nine whole nodes and twice that,
/// as the published large units have.
std::vector<int> data_degrees(const Plan& plan, const PricedNode& node, int tensor) {
  const int most = node.choice.most * node.node.gpus;
  std::vector<int> out;
  for (int d = 1; d * tensor <= most; d *= 2) out.push_back(d);
  for (const int nodes : {9, 18})
    if (plan.model.moe && nodes * node.node.gpus <= most) out.push_back(nodes * node.node.gpus / tensor);
  std::ranges::sort(out);
  return or_else(plan.section.candidates.data, out);
}

std::string obstacle(const Plan& plan, const PricedNode& node, const InstanceShape& s) {
  const std::int64_t per_node = node.node.gpus, gpus = std::int64_t{s.tensor} * s.data * s.pipeline;
  if (s.tensor > per_node) return fmt::format("layout: tensor {} spans nodes of {} GPUs", s.tensor, per_node);
  if (gpus > per_node * node.choice.most)
    return fmt::format("layout: {} GPUs of the {} that may be had", gpus, per_node * node.choice.most);
  if (gpus < per_node ? per_node % gpus != 0 : gpus % per_node != 0)
    return fmt::format("layout: {} GPUs neither divide a node of {} nor fill nodes", gpus, per_node);
  if (!plan.model.moe && s.data > 1) return "layout: a dense model's attention ranks are instances of their own";
  return "";
}
}  // namespace

std::vector<InstanceShape> instance_shapes(const Plan& plan, const PricedNode& node) {
  const Candidates& c = plan.section.candidates;
  std::vector<InstanceShape> out;
  const auto add = [&](InstanceShape s) {
    if (!c.expert.empty() && std::ranges::find(c.expert, s.expert) == c.expert.end()) return;
    s.obstacle = obstacle(plan, node, s);
    out.push_back(std::move(s));
  };
  for (const int tensor : tensor_degrees(plan, node))
    for (const int data : data_degrees(plan, node, tensor))
      for (const int pipeline : or_else(c.pipeline, {1})) {
        const int stage = tensor * data;
        add({tensor, data, pipeline, plan.model.moe ? stage : 1});
        if (plan.model.moe && data == 1 && tensor > 1) add({tensor, data, pipeline, 1});
      }
  return out;
}
}  // namespace moesim::sizing
