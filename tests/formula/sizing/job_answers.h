// Answers to a training plan, from figures that are written out.
#pragma once
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "sizing/pretraining/job_answer.h"
#include "sizing/pretraining/judging.h"

namespace moesim::sizing {

/// 10,000 steps of 100 tokens on nodes of 8 GPUs of 100 GB, a USD an hour each.
class JobAnswer : public testing::Test {
 protected:
  JobAnswer() {
    node_.node.gpus = 8, node_.node.title = "box", node_.gpu_hour = 1, node_.choice.most = 8;
    node_.node.gpu.memory = Bytes{100'000'000'000}, node_.node.gpu.reserve = Bytes{};
    node_.choice.node = Config::from_text("box", "test");
    job_.section.training.tokens = 1e6;
    job_.step_tokens = 100;
    job_.batch = 64;
    job_.model.layers = 32;
  }
  /// step: s, a tenth of it bubble and a twentieth exposed; 8.64 s are a day of the run.
  MappingEntry entry(int nodes, int pipeline, double step) const {
    MappingEntry out{.mapping = {.node = &node_, .used_of_node = 8, .nodes = nodes, .pipeline = pipeline}};
    out.mapping.schedule = "1f1b";
    out.least = step / 2;
    out.result = StepResult{step, 0.4, step / 10, step / 20, 90'000'000'000, false, "weights 50.0 GB"};
    out.fate = MappingFate::meets;
    return out;
  }
  /// A quarter longer in nine of ten draws, shorter by half in the first one.
  DrawnRun run(int spares, double days, double gpus, double waiting) const {
    DrawnRun out;
    out.spares = spares, out.days = days, out.paid_gpus = gpus, out.cost = days * 24 * gpus, out.goodput = 0.5;
    out.waiting = waiting, out.gpu_hours = days * 24 * 16, out.failures = 3;
    out.saving = 1.0 / 86400, out.lost = 2.0 / 86400, out.restarting = 3.0 / 86400, out.straggling = 4.0 / 86400;
    out.within_days = days * 1.25, out.within_cost = out.cost * 1.25, out.met = 0.93;
    out.own = out;
    out.own.days /= 2, out.own.cost /= 2, out.own.failures = 1;
    return out;
  }
  /// Failures in a plan that leaves open how many nodes wait.
  void fails() { job_.whole_run = job_.fails = true; }
  void choose(MappingEntry e) {
    e.fate = MappingFate::chosen;
    choice_.winner = choice_.entries.size();
    choice_.run = e.run;
    choice_.with_spares = e.runs;
    choice_.entries.push_back(std::move(e));
  }
  std::string text() const { return answer_text(job_, choice_); }
  /// Its first lines.
  std::string head(std::size_t lines) const {
    const std::string all = text();
    std::size_t end = 0;
    for (std::size_t i = 0; i < lines; ++i) end = all.find('\n', end) + 1;
    return all.substr(0, end);
  }
  /// The lines under a heading.
  std::string section(const std::string& heading) const {
    const std::string all = text();
    const std::size_t at = all.find("\n" + heading + "\n");
    if (at == std::string::npos) return "no such section";
    const std::size_t from = at + heading.size() + 2;
    return all.substr(from, all.find("\n\n", from) + 1 - from);
  }
  bool says(const std::string& what) const { return text().find(what) != std::string::npos; }
  PricedNode node_;
  Job job_;
  Choice choice_;
};
}  // namespace moesim::sizing
