// What passes take where a scenario may leave it open, by phase.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "passes/passes.h"

namespace moesim::passes {
namespace {
/// "scope name: value (reason)", of two phases on 16 H800; `decode`: keys of the decode phase.
std::vector<std::string> assumptions(const std::string& decode, const std::string& routing = "routing: balanced\n") {
  const Config scenario = Config::from_text(
      "model: deepseek-v2-lite\ncluster: {node: hgx-h800, nodes: 2, fabric: ib-rail}\n" + routing +
          "passes:\n"
          "  prefill: {steps: 1, sequences: 1, new_tokens: 64}\n  decode: {steps: 1, sequences: 16, context: 64" +
          decode + "}\n",
      "passes.yaml");
  results::Results results(":memory:", results::RunIdentity{});
  results::SpanLog spans;
  results::StudyRun study{scenario, 1, results, spans};
  run_passes(study);
  std::vector<std::string> out;
  results::Statement row = results.database().prepare("SELECT scope, name, value, reason FROM assumption");
  while (row.step()) out.push_back(row.text(0) + " " + row.text(1) + ": " + row.text(2) + " (" + row.text(3) + ")");
  return out;
}

TEST(PassAssumptions, EachPhaseSaysWhatExchangeWasAskedOfIt) {
  const std::string prefill = "phase:prefill precision: bf16 (as released)";
  const std::string decode = "phase:decode precision: bf16 (as released)";
  EXPECT_EQ(assumptions(""), (std::vector<std::string>{prefill, decode}));
  EXPECT_EQ(assumptions(", exchange: hybrid"),
            (std::vector<std::string>{prefill, decode,
                                      "phase:decode exchange: hybrid (as asked, reaching what it does on GB200)"}));
}

TEST(PassAssumptions, NameTheLawOfTheGateWhereNoRoutingIsGiven) {
  EXPECT_EQ(assumptions("", "").front(),
            "run routing: grouped, spread 0.3, texts_alike 0 (none is given: the default of gates balanced by a loss; "
            "arXiv:2412.19437, figure 10)");
}
}  // namespace
}  // namespace moesim::passes
