// What routing does to serving: skew, copies, recorded routing, drafts, kept draws.
#include <gtest/gtest.h>

#include <filesystem>

#include "placement/placement.h"
#include "serving/step/expert_bank.h"
#include "serving/step/speculation.h"
#include "spec/catalogue.h"
#include "unit/serving/small_runs.h"

namespace moesim::serving {
namespace {
/// DeepSeek-V3's experts decoding in FP8 on all GPUs of a group; layers, places and sources are still to be filled in.
ExpertBank::Setup decode_bank(const spec::Model& model, compute::KernelCosts& kernels,
                              const network::ExchangeGroup& group) {
  ExpertBank::Setup setup;
  setup.model = &model;
  setup.kernels = &kernels;
  setup.options.precision.linear = spec::Dtype::fp8;
  setup.options.layout = compute::GroupLayout::masked;
  setup.group = &group;
  setup.gpus = group.gpus();
  setup.dispatch = {network::ExchangeKernel::deepep_low_latency, network::ExchangeDirection::dispatch,
                    network::fp8_row(7168), 0, true};
  setup.combine = {network::ExchangeKernel::deepep_low_latency, network::ExchangeDirection::combine,
                   network::bf16_row(7168), 0, true};
  return setup;
}

/// A recording of V2-Lite's shape: prompts choose experts 0 to 5, decoding 58 to 63.
std::string recording(const std::vector<std::string>& notes) {
  const std::string file = testing::TempDir() + "serving.trace.db";
  std::filesystem::remove(file);
  routing::TraceHeader header;
  for (int l = 1; l < 27; ++l) header.layers.push_back(l);
  header.experts = 64, header.top_k = 6, header.notes = notes;
  routing::TraceWriter writer(file, header);
  for (const routing::TracePhase phase : {routing::TracePhase::prefill, routing::TracePhase::decode}) {
    const bool prompt = phase == routing::TracePhase::prefill;
    std::vector<routing::TraceToken> tokens(
        100, {.pass = prompt ? 0 : 1, .request = 0, .position = 0, .token = -1, .phase = phase});
    std::vector<std::int16_t> experts;
    for (int i = 0; i < 26 * 100 * 6; ++i) experts.push_back(std::int16_t(prompt ? i % 6 : 63 - i % 6));
    for (int i = 0; i < 100; ++i) tokens[std::size_t(i)].position = (prompt ? 0 : 100) + i;
    writer.add(tokens, experts);
  }
  writer.finish();
  return file;
}

TEST(Serving, CopiesShareAnExpertsRowsEvenlyOrLevelAndNoOtherChoiceIsTaken) {
  const auto decode = [](const std::string& placement) {
    return unit("    - {role: prefill, parallel: {data: 8}}\n    - {role: decode, parallel: {data: 16}, placement: {" +
                placement + "}}\n");
  };
  const Ran unnamed = run(decode("strategy: eplb, slots: 96")),
            even = run(decode("strategy: eplb, slots: 96, replica_choice: round_robin"));
  EXPECT_EQ(unnamed.end.fingerprint, even.end.fingerprint);
  const Ran level = run(decode("strategy: eplb, slots: 96, replica_choice: balanced"));
  EXPECT_GT(level.at("balancedness", "pool:decode"), even.at("balancedness", "pool:decode"));
  results::Statement said =
      level.results->database().prepare("SELECT count(*) FROM assumption WHERE name = 'replica choice'");
  ASSERT_TRUE(said.step());
  EXPECT_EQ(said.integer(0), 1) << "what levelling is taken to cost is said";
  const std::string refused = message(decode("strategy: eplb, slots: 96, replica_choice: nearest"));
  EXPECT_NE(refused.find("serving.pools[1].placement.replica_choice: serving does not know which source an expert's "
                         "rows come from"),
            std::string::npos)
      << refused;
  EXPECT_EQ(message(decode("strategy: greedy, replica_choice: nearest")), "accepted") << "no expert has copies";
}

TEST(Serving, TheLinearProgrammesTimeComesBeforeEveryDispatchOfLayersWithCopies) {
  const auto dispatch = [](int slots, const std::string& choice) {
    std::string yaml = unit(
        "    - {role: prefill, parallel: {data: 8}}\n    - {role: decode, parallel: {data: 16}, placement: "
        "{strategy: eplb, slots: " +
        std::to_string(slots) + ", replica_choice: " + choice + "}}\n");
    yaml.replace(yaml.find("20 s"), 4, "2 s");  // steps enough: a mean over them
    const Ran r = run(yaml);
    return r.at("dispatch_time", "pool:decode,layer:9");
  };
  const double free = dispatch(96, "{kind: balanced, solve_time: 0 s}");
  EXPECT_NEAR(dispatch(96, "balanced") - free, 100e-6, 5e-6) << "other steps meet other requests";
  EXPECT_NEAR(dispatch(96, "{kind: balanced, solve_time: 300 us}") - free, 300e-6, 10e-6);
  EXPECT_EQ(dispatch(64, "{kind: balanced, solve_time: 300 us}"), dispatch(64, "round_robin")) << "no copies";
  EXPECT_NE(message(unit("    - {role: decode, parallel: {data: 16}, placement: {strategy: eplb, slots: 96, "
                         "replica_choice: {kind: balanced, solve_time: -1 us}}}\n"))
                .find("solve_time"),
            std::string::npos);
}

TEST(Serving, SkewSlowsEveryStepAndCopiesHelp) {
  const auto step = [](const std::string& routing, const std::string& placement) {
    std::string yaml =
        unit("    - {role: decode, parallel: {data: 16}, " + placement + "}\n", "  drain: false\n", "rate: 3000");
    yaml.replace(yaml.find("20 s"), 4, "6 s");
    yaml.replace(yaml.find("log_normal, sigma: 0.7"), 22, routing);
    return run(yaml)["tpot_mean"];
  };
  const double balanced = step("balanced", "graphs: true"), skewed = step("log_normal, sigma: 1.5", "graphs: true");
  const double copies = step("log_normal, sigma: 1.5", "placement: {strategy: eplb_global, slots: 96}, graphs: true");
  EXPECT_GT(skewed, balanced);
  EXPECT_LT(copies, skewed);
}

TEST(Serving, DecodingIsRoutedAsDecodingWasRecorded) {
  std::string yaml = unit("    - {role: prefill, parallel: {data: 8}}\n    - {role: decode, parallel: {data: 16}}\n");
  yaml.replace(yaml.find("{kind: log_normal, sigma: 0.7}"), 30, "{trace: " + recording({}) + "}");
  const Ran r = run(yaml);
  results::Statement s = r.results->database().prepare(
      "SELECT phase, min(expert), max(expert) FROM expert_load WHERE tokens > 0 GROUP BY phase ORDER BY phase");
  ASSERT_TRUE(s.step());
  EXPECT_EQ(s.text(0), "decode");
  EXPECT_EQ(s.integer(1), 58);
  EXPECT_EQ(s.integer(2), 63);
  ASSERT_TRUE(s.step());
  EXPECT_EQ(s.text(0), "prefill");
  EXPECT_EQ(s.integer(1), 0);
  EXPECT_EQ(s.integer(2), 5);
}

TEST(Serving, APoolOfBothIsPlacedForThePhaseOfMostOfItsTokens) {
  // Prompts load experts 0 to 5, decoding 58 to 63: a plan for the one phase has the copies elsewhere.
  const auto fingerprint = [](const std::string& lengths, const std::string& planned_on) {
    std::string yaml =
        unit("    - {parallel: {data: 8}, placement: {strategy: eplb_global, slots: 72" + planned_on + "}}\n");
    yaml.replace(yaml.find("{kind: log_normal, sigma: 0.7}"), 30, "{trace: " + recording({}) + "}");
    const std::size_t at = yaml.find("input:");
    yaml.replace(at, yaml.find('\n', at) - at, lengths + "}");
    return run(yaml).end.fingerprint;
  };
  const std::string prompts = "input: {kind: fixed, mean: 500}, output: {kind: fixed, mean: 20}",
                    answers = "input: {kind: fixed, mean: 20}, output: {kind: fixed, mean: 500}";
  const std::string prefill = ", planned_on: {phase: prefill}", decode = ", planned_on: {phase: decode}";
  EXPECT_EQ(fingerprint(prompts, ""), fingerprint(prompts, prefill));
  EXPECT_NE(fingerprint(prompts, ""), fingerprint(prompts, decode));
  EXPECT_EQ(fingerprint(answers, ""), fingerprint(answers, decode));
  EXPECT_NE(fingerprint(answers, ""), fingerprint(answers, prefill));
}

TEST(Serving, DraftsAreAcceptedAsTheTraceMeasured) {
  const routing::Trace trace(
      recording({"layers 0 are dense", "drafts agree: speculation acceptance [0.8512, 0.5000]"}));
  EXPECT_EQ(measured_acceptance(trace.header()), (std::vector<double>{0.8512, 0.5}));
  EXPECT_TRUE(measured_acceptance(routing::TraceHeader{}).empty());
}

TEST(ExpertBank, KeptDrawsAgreeWithFreshOnes) {
  // Fresh draws at the exact token count against the bank's interpolation between kept ones: the means over layers and
  // steps agree within 2 %, which is below the draws' own spread.
  const spec::Model model = spec::load_model("deepseek-v3");
  const spec::Cluster cluster = spec::load_cluster("h800-144");
  const network::Topology topology(cluster);
  const network::ExchangeGroup group(topology, GpuId{0}, 144);
  const auto kernel_model = compute::kernel_models().make(Config::from_text("calibrated", "k"), cluster.node.gpu);
  compute::KernelCosts kernels(*kernel_model);
  const spec::GroupShape shape{144, 8};
  const auto source = routing::make_traffic(Config::from_text("{kind: log_normal, sigma: 0.7}", "r"),
                                            {{256, 8, 8, 4}, shape, 1, std::nullopt});
  ExpertBank::Setup setup = decode_bank(model, kernels, group);
  setup.layers = {3, 20, 60};
  for (int i = 0; i < 3; ++i) setup.maps.push_back(exchange::contiguous_map(256, 144));
  setup.sources = {source.get(), source.get()};
  ExpertBank many(setup);
  setup.settings.samples = 4;
  ExpertBank few(setup);
  const std::vector<double> weights{0, 1};
  for (const double tokens : {700.0, 5000.0, 13000.0}) {
    double of_many = 0, of_few = 0, fresh = 0;
    const auto time = [](const ExpertTimes& t) { return t.dispatch + t.experts + t.combine; };
    for (int i = 0; i < 300; ++i) {
      const std::size_t layer = std::size_t(i % 3);
      of_many += time(many.times(layer, i, 0, tokens, tokens / 144 * 1.1, weights));
      of_few += time(few.times(layer, i, 0, tokens, tokens / 144 * 1.1, weights));
      fresh += time(many.draw(layer, 1000 + i, tokens, tokens / 144 * 1.1, weights));
    }
    EXPECT_NEAR(of_many / fresh, 1, 0.02) << tokens;
    EXPECT_NEAR(of_few / fresh, 1, 0.02) << tokens << ", four draws kept";
  }
}

/// DeepSeek-V3's experts on 32 GPUs with 32 copies, planned by EPLB from the second law's source at one step.
struct PlannedBank {
  spec::Model model = spec::load_model("deepseek-v3");
  spec::Cluster cluster = spec::load_cluster("h800-32");
  network::Topology topology{cluster};
  network::ExchangeGroup group{topology, GpuId{0}, 32};
  std::unique_ptr<compute::KernelModel> kernel_model =
      compute::kernel_models().make(Config::from_text("calibrated", "k"), cluster.node.gpu);
  compute::KernelCosts kernels{*kernel_model};
  std::vector<std::unique_ptr<routing::TrafficSource>> sources;  // prefill and decode of each law
  std::unique_ptr<ExpertBank> bank;

  PlannedBank(const std::vector<std::string>& laws, std::int64_t planned_at, std::int64_t redraw = 0) {
    for (const std::string& law : laws)
      for (const routing::TracePhase phase : {routing::TracePhase::prefill, routing::TracePhase::decode})
        sources.push_back(routing::make_traffic(Config::from_text(law, "r"), {{256, 8, 8, 4}, {32, 8}, 1, phase}));
    ExpertBank::Setup setup = decode_bank(model, kernels, group);
    for (int layer = 3; layer < 61; layer += 6) setup.layers.push_back(layer);
    placement::Loads loads;
    loads.experts = 256;
    loads.layers = setup.layers;
    loads.counts.resize(setup.layers.size() * 256);
    for (std::size_t l = 0; l < setup.layers.size(); ++l)
      sources[1]->shares(setup.layers[l], planned_at, std::span(loads.counts).subspan(l * 256, 256));
    const placement::PlacementProblem problem = placement::checked({.gpus = 32, .nodes = 4, .slots = 288}, 256);
    setup.maps = placement::plan(*placement::placements().of_kind("eplb_global"), {.loads = loads, .problem = problem});
    for (const auto& source : sources) setup.sources.push_back(source.get());
    setup.settings.redraw = redraw;
    bank = std::make_unique<ExpertBank>(setup);
  }
  /// Mean over layers and 20 steps from `step` on, of 8,192 tokens.
  double balance(const std::vector<double>& weights, std::int64_t step = 0) {
    constexpr int kSteps = 20;
    double sum = 0;
    for (std::size_t l = 0; l < bank->layers(); ++l)
      for (int i = 0; i < kSteps; ++i) sum += bank->times(l, step + i, 0, 8192, 256, weights).balancedness;
    return sum / kSteps / double(bank->layers());
  }
};

TEST(ExpertBank, ABatchIsAsEvenAsThoseInItAreLikeThoseOfThePlan) {
  // Two kinds of text, planned from answers of the first at another time: the more of the second kind is in a batch,
  // the less the plan is worth.
  PlannedBank b({"{kind: grouped, text: 0}", "{kind: grouped, text: 1}"}, 100'000);
  const double first = b.balance({0, 1, 0, 0}), mixed = b.balance({0, 0.5, 0, 0.5}), second = b.balance({0, 0, 0, 1}),
               prompts = b.balance({1, 0, 0, 0});
  EXPECT_GT(first, mixed + 0.05);
  EXPECT_GT(mixed, second + 0.05);
  EXPECT_GT(prompts, second);  // of the same kind of text, which is more alike than another kind's answers
  EXPECT_LT(prompts, first);
}

TEST(ExpertBank, APlanGoesStaleInLifeWhereDrawsAreMadeAnew) {
  const std::vector<std::string> law{"{kind: grouped, steady: 0.8, drift: 1600}"};
  PlannedBank moving(law, 0, 100), kept(law, 0);
  const double fresh = moving.balance({0, 1}), later = moving.balance({0, 1}, 400),
               stale = moving.balance({0, 1}, 3200);
  EXPECT_GT(fresh, later + 0.01);
  EXPECT_GT(later, stale + 0.01);
  EXPECT_NEAR(kept.balance({0, 1}, 3200), fresh, 0.01);  // without, the loads are those of the first steps
}
}  // namespace
}  // namespace moesim::serving
