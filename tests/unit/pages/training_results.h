// Results of a small training step, whose every text is what a page must not take for its own.
#pragma once
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>

#include "results/results.h"
#include "support/temporary_folder.h"

namespace moesim::test {

inline const std::string kHostileTitle = "</title><script>alert(1)</script> & \"x\"";

class TrainingResults : public testing::Test {
 protected:
  std::string file(const char* name) const { return folder_.file(name); }
  /// A step of 2 stages, as small as a page can be of.
  std::string training(const char* name, const std::string& state = "complete") const {
    results::Results r(file(name), {kHostileTitle, "training", "a.yaml", "model: <b>", "", 7});
    for (const auto& [figure, value] : {std::pair("step_time", 4.0),
                                        {"bubble_time", 1.0},
                                        {"exposed_communication_time", 0.5},
                                        {"forward_time", 2.5}})
      r.metric(figure, value, "s");
    r.metric("peak_memory", 1e9, "B");
    for (const int stage : {0, 1}) {
      r.add(results::Table::stage, {stage, "forward", 2.5});
      r.add(results::Table::stage, {stage, "bubble", 1.0 + stage});
      r.add(results::Table::instruction, {stage, "forward", 0, 5, 1.0 * stage, 1.0 * stage + 2.5});
      r.add(results::Table::memory, {fmt::format("stage:{}", stage), "weights <i>", std::int64_t{1} << 30});
    }
    r.add(results::Table::assumption, {"run", "precision", "<u>fp8</u>", "as asked"});
    r.finish({state, 1, 2, 4_s, 0.1}, "cluster.node.gpu.title: <s>GPU\ncluster.node.gpu.memory: 2 GiB\n");
    return file(name);
  }
  TemporaryFolder folder_;
};
}  // namespace moesim::test
