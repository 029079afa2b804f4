// Training plans with failures, whose layouts are simulated once for all of them.
#pragma once
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "sizing/pretraining/choice.h"
#include "sizing/pretraining/judging.h"
#include "sizing/trial_book.h"
#include "support/temporary_folder.h"

namespace moesim::sizing {
class WholeRuns : public testing::Test {
 protected:
  /// Layouts that are simulated once for all plans: their steps are in the book.
  Job job(const std::string& tokens, const std::string& run, const std::string& targets,
          const std::string& candidates = "", const std::string& node = "hgx-h100") {
    const std::string file = folder_.file(fmt::format("job{}.yaml", ++files_));
    put_file(file, fmt::format("model: deepseek-v2-lite\nrouting: {{kind: log_normal, sigma: 0.4}}\nseed: 3\nsize:\n"
                               "  training: {{tokens: {}, settings: {{sequence: 2048, batch: 64}}{}}}\n  targets: {}\n"
                               "  candidates:\n    nodes: [{{node: {}, nodes: 7, price: 2 USD/h}}]\n"
                               "    counts: [2, 4]\n    pipeline: [1, 2]\n    expert: [8]\n    tensor: [1, 2]\n"
                               "    schedule: [1f1b]\n    zero: [0, 1, 2]\n    recompute: [none, selective]\n{}",
                               tokens, run.empty() ? "" : ", run: " + run, targets, node, candidates));
    Job out = read_job(read_plan_head(file, {}, {}));
    out.book = &book_;
    return out;
  }

  /// The first recomputation that fits, as the search takes it; nothing where none does.
  static std::vector<MappingEntry> simulated(const Job& job) {
    std::vector<MappingEntry> out;
    for (Mapping& m : mappings(job)) {
      MappingEntry e{std::move(m)};
      with_what_fits(job, e, [&] { e.result = simulate_step(job, e.mapping, true); });
      out.push_back(std::move(e));
    }
    return out;
  }

  struct Found {
    std::optional<Rank> rank;
    std::string text{};
    int runs = 0;
  };
  /// Every layout with every number of spare nodes, in every draw of its failures.
  static Found exhaustive(const Job& job) {
    Found out;
    const std::vector<MappingEntry> all = simulated(job);
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (!all[i].result) continue;
      const WholeRun run(job, all[i].mapping, all[i].result->step);
      for (const int spares : spares_of(job, all[i].mapping)) {
        ++out.runs;
        const JobTargets& t = job.section.targets;
        int met = 0;
        double days = 0, cost = 0;
        for (int draw = 0; draw < job.draws(); ++draw) {
          const RunFigures f = run.play(spares, {}, draw);
          met += (t.days <= 0 || f.days <= t.days) && (t.cost <= 0 || f.cost <= t.cost);
          days += f.days, cost += f.cost;
        }
        if (met < t.share * job.draws() - 1e-9) continue;
        const Rank rank = rank_of(job, days / job.draws(), cost / job.draws(), paid_gpus(all[i].mapping, spares), i);
        if (out.rank && *out.rank <= rank) continue;
        out.rank = rank;
        out.text = fmt::format("{} with {} spare nodes", text_of(all[i].mapping), spares);
      }
    }
    return out;
  }

  TemporaryFolder folder_;
  TrialBook book_;
  int files_ = 0;
};
}  // namespace moesim::sizing
