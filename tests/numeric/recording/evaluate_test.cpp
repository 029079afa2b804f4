#include "recording/evaluate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "numeric/numerics/test_models.h"
#include "numerics/pass/gates.h"
#include "numerics/weights/checkpoint.h"
#include "recording/balance_meter.h"
#include "support/places.h"
#include "support/temporary_folder.h"

namespace moesim::recording::evaluated {
namespace {
/// Texts that the byte models can read.
std::vector<RecordRequest> texts(int vocabulary) {
  std::vector<RecordRequest> out;
  for (const std::vector<int>& s : numerics::warm_up_sequences(600, vocabulary)) {
    out.push_back({"text", "text", s});
    if (int(out.back().tokens.size()) > 120) out.back().tokens.resize(120);
  }
  return out;
}

spec::Model small_model() {
  spec::Model m = numerics::v3_micro();
  m.vocabulary = 256, m.hidden = 64, m.max_positions = 256, m.mtp_layers = 2;
  m.moe->experts = 16, m.moe->top_k = 4;
  return m;
}

class Evaluate : public testing::Test {
 protected:
  Evaluation run(numerics::Precision precision, std::optional<numerics::Precision> compare, int batch = 2048,
                 int threads = 2) {
    EvaluateOptions o;
    o.precision = precision, o.compare = compare, o.batch_tokens = batch, o.threads = threads;
    return evaluate(model_, weights_, texts(256), o);
  }
  static numerics::SyntheticOptions options() {
    numerics::SyntheticOptions o;
    o.warm_up_tokens = 128;
    return o;
  }
  spec::Model model_ = small_model();
  numerics::SyntheticWeights weights_{model_, options(), 2};
};

double experts_share(const Evaluation& e) {
  std::int64_t changed = 0;
  for (const LayerChange& l : e.change->layers) changed += l.experts + l.order;
  return double(changed) / double(e.tokens * std::int64_t(e.change->layers.size()));
}

TEST_F(Evaluate, APrecisionAgainstItselfChangesNothing) {
  for (const numerics::Precision p : {numerics::Precision::fp32, numerics::Precision::fp8}) {
    const Evaluation e = run(p, p);
    EXPECT_EQ(experts_share(e), 0);
    EXPECT_EQ(e.change->tokens_touched, 0);
    EXPECT_EQ(e.change->largest_logit, 0);
    EXPECT_EQ(e.change->same_best, e.tokens);
    EXPECT_EQ(e.losses[0].next_token, e.losses[1].next_token);
  }
}

TEST_F(Evaluate, CoarserFormatsChangeMoreChoices) {
  const Evaluation bf16 = run(numerics::Precision::bf16, numerics::Precision::fp32),
                   fp8 = run(numerics::Precision::fp8, numerics::Precision::fp32),
                   limited = run(numerics::Precision::fp8_limited, numerics::Precision::fp32);
  EXPECT_GT(experts_share(bf16), 0);
  EXPECT_LT(experts_share(bf16), 0.2);
  EXPECT_GT(experts_share(fp8), experts_share(bf16));
  EXPECT_GT(fp8.change->mean_logit, bf16.change->mean_logit);
  EXPECT_GT(limited.change->mean_logit, bf16.change->mean_logit);
  EXPECT_NE(limited.change->mean_logit, fp8.change->mean_logit);
  EXPECT_LT(fp8.change->same_best, fp8.tokens);
}

TEST_F(Evaluate, LossesAreThoseOfEachTextAlone) {
  const Evaluation e = run(numerics::Precision::fp32, {});
  const auto all = texts(256);
  numerics::Forward forward(model_, weights_, {.threads = 1});
  double sum = 0;
  std::int64_t predicted = 0;
  for (const RecordRequest& r : all) {
    numerics::KvCache cache = forward.new_cache();
    const numerics::Segment segment{&cache, 0, int(r.tokens.size())};
    const numerics::Matrix logits = forward.logits(forward.run(r.tokens, {&segment, 1}).view());
    for (int t = 0; t + 1 < logits.rows; ++t) {
      double z = 0;
      for (int i = 0; i < 256; ++i) z += std::exp(double(logits.row(t)[i]));
      sum += std::log(z) - double(logits.row(t)[r.tokens[std::size_t(t) + 1]]);
      ++predicted;
    }
  }
  EXPECT_EQ(e.losses[0].predicted, predicted);
  EXPECT_NEAR(e.losses[0].next_token, sum / double(predicted), 1e-5);
  ASSERT_EQ(e.losses[0].drafts.size(), 2U);
  EXPECT_EQ(e.losses[0].drafts[0].predicted, predicted - std::int64_t(all.size()));
  const auto& drafts = e.losses[0].drafts;
  EXPECT_NEAR(e.losses[0].total, e.losses[0].next_token + 0.15 * (drafts[0].loss + drafts[1].loss), 1e-12);
  EXPECT_GE(drafts[0].acceptance, 0);
  EXPECT_LE(drafts[0].acceptance, 1);
}

TEST_F(Evaluate, NeitherPassesNorThreadsShow) {
  const Evaluation whole = run(numerics::Precision::fp32, {}), cut = run(numerics::Precision::fp32, {}, 50, 1);
  EXPECT_NEAR(whole.losses[0].total, cut.losses[0].total, 1e-5);
  EXPECT_EQ(whole.requests, cut.requests);
  for (std::size_t d = 0; d < 2; ++d)
    EXPECT_NEAR(whole.losses[0].drafts[d].acceptance, cut.losses[0].drafts[d].acceptance, 0.02);
  ASSERT_EQ(whole.losses[0].balance.size(), 2U);
  for (std::size_t l = 0; l < 2; ++l) {
    EXPECT_NEAR(whole.losses[0].balance[l].batch, cut.losses[0].balance[l].batch, 1e-3);
    EXPECT_NEAR(whole.losses[0].balance[l].sequence, cut.losses[0].balance[l].sequence, 1e-3);
    EXPECT_GE(whole.losses[0].balance[l].sequence, whole.losses[0].balance[l].batch);  // one text is less even than all
  }
  EXPECT_EQ(evaluation_json(run(numerics::Precision::fp8, numerics::Precision::fp32, 2048, 1)),
            evaluation_json(run(numerics::Precision::fp8, numerics::Precision::fp32, 2048, 3)));
}

TEST_F(Evaluate, GatesAreJudgedByWhatTheyChoose) {
  const auto with = [&](const std::string& gate) {
    EvaluateOptions o;
    o.batch_tokens = 60;  // the balancing rule moves between passes
    o.gate = gate;
    o.compare_gate = "published";
    return evaluate(model_, weights_, texts(256), o);
  };
  const auto hottest = [](const Losses& l) {
    double sum = 0;
    for (const LayerBalance& b : l.balance) sum += b.hottest;
    return sum / double(l.balance.size());
  };
  const Evaluation same = with("published");
  EXPECT_EQ(experts_share(same), 0);
  EXPECT_EQ(same.losses[0].next_token, same.losses[1].next_token);
  EXPECT_EQ(same.losses[0].balance[0].dropped, 0);

  const Evaluation capacity = with("{kind: capacity, factor: 1}");
  EXPECT_GT(capacity.losses[0].balance[0].dropped, 0);
  EXPECT_LT(hottest(capacity.losses[0]), hottest(capacity.losses[1]));
  EXPECT_NE(capacity.losses[0].next_token, capacity.losses[1].next_token);
  const Evaluation balanced = with("{kind: balanced, gamma: 0.01, window: 60}");
  EXPECT_LT(hottest(balanced.losses[0]), hottest(balanced.losses[1]));
  EXPECT_GT(experts_share(balanced), 0);
  for (const char* gate : {"softmax", "noisy"}) EXPECT_GT(experts_share(with(gate)), 0) << gate;
}

TEST_F(Evaluate, RefusesTextsWithoutAnythingToPredict) {
  try {
    evaluate(model_, weights_, {{"a.txt", "a", {1}}}, {});
    FAIL();
  } catch (const ConfigError& e) {
    EXPECT_STREQ(e.what(), "no text has two tokens, so there is nothing to predict");
  }
}

TEST(Balance, ByHand) {
  // two experts, top-1; logits 0 and ln 3: scores 1/4 and 3/4.  Text 0: both rows to expert 1; text 1: one row each way
  spec::MoeShape moe;
  moe.experts = 2, moe.top_k = 1;
  numerics::Threads threads(1);
  const numerics::Machine machine{threads, numerics::fp32_arithmetic()};
  numerics::Matrix logits(4, 2), hidden(4, 1);
  const float l = std::log(3.0F);
  logits.values = {0, l, 0, l, l, 0, 0, l};
  BalanceMeter meter(1, numerics::gate_from("published", "gate"));
  meter.begin_pass({0, 0, 1, 1});
  numerics::Routing routing;
  meter.choose({machine, moe, 0, hidden, logits, nullptr}, routing);
  EXPECT_EQ(routing.experts, (std::vector{1, 1, 0, 1}));
  meter.finish(0);
  meter.finish(1);
  const auto balance = meter.balance();
  ASSERT_EQ(balance.size(), 1U);
  // text 0: f = (0, 2), P = (1/4, 3/4): 1.5; text 1: f = (1, 1): 1; all: f = (1/2, 3/2), P = (3/8, 5/8): 9/8
  EXPECT_NEAR(balance[0].sequence, 1.25, 1e-6);
  EXPECT_NEAR(balance[0].batch, 1.125, 1e-6);
}

TEST(PrecisionOfRealText, Bf16ChangesFewChoicesOfTheReferenceModel) {
  const std::string folder = test::source_dir() + "/../shared/data/numerics/v2lite_tiny";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "the measurement tables are not here: " << folder;
  const spec::Model model = numerics::v2lite_tiny();
  numerics::Checkpoint weights(model, folder);
  EvaluateOptions o;
  o.precision = numerics::Precision::bf16, o.compare = numerics::Precision::fp32;
  const Evaluation e = evaluate(model, weights, read_token_file(folder + "/tokens.npy", 0), o);
  EXPECT_GT(experts_share(e), 0);
  EXPECT_LT(experts_share(e), 0.2);
}
}  // namespace
}  // namespace moesim::recording::evaluated
