// Routing that moves is followed, and new places are planned from tokens, not from steps.
#include <gtest/gtest.h>

#include "routing/moving.h"
#include "serving/step/rebalancing.h"
#include "spec/catalogue.h"

namespace moesim::serving {
namespace {
/// V2-Lite's experts on 8 GPUs that exchange nothing, a source each for prompts and decoding.
struct SmallBank {
  spec::Model model = spec::load_model("deepseek-v2-lite");
  spec::Cluster cluster = spec::load_cluster("h800-32");
  std::unique_ptr<compute::KernelModel> kernel_model =
      compute::kernel_models().make(Config::from_text("calibrated", "k"), cluster.node.gpu);
  compute::KernelCosts kernels{*kernel_model};
  std::vector<std::unique_ptr<routing::TrafficSource>> sources;
  std::optional<ExpertBank> bank;

  SmallBank(const std::string& prompts, const std::string& decoding, const BankSettings& settings = {}) {
    for (const std::string& law : {prompts, decoding})
      sources.push_back(
          routing::make_traffic(Config::from_text(law, "r"), {{64, 6, 1, 1}, {8, 8}, sources.size() + 1, {}}));
    ExpertBank::Setup setup;
    setup.model = &model;
    setup.kernels = &kernels;
    setup.gpus = 8;
    setup.layers = {1, 2};
    setup.maps.assign(2, exchange::contiguous_map(64, 8));
    for (const auto& source : sources) setup.sources.push_back(source.get());
    setup.settings = settings;
    bank.emplace(setup);
  }
  /// Mean of the layers' balancedness in 16 steps from `step` on, of 100,000 decoding tokens.
  double balance(std::int64_t step) {
    const std::vector<double> weights{0, 1};
    double sum = 0;
    for (std::size_t l = 0; l < 2; ++l)
      for (int i = 0; i < 16; ++i) sum += bank->times(l, step + i, 0, 1e5, 12'500, weights).balancedness;
    return sum / 32;
  }
};

TEST(DriftLaw, ByDefaultDrawsAreMadeAnewAsTheLawMovesAndNoOftener) {
  const auto redraw = [](const std::string& law) { return SmallBank("balanced", law).bank->redraw(); };
  for (const char* still : {"balanced", "{kind: log_normal}", "{kind: grouped, drift: 0}", "{kind: grouped, steady: 1}",
                            "{kind: hot_experts}", "{kind: burst, length: 0}"})
    EXPECT_EQ(redraw(still), 0) << still;
  EXPECT_EQ(redraw("{kind: grouped, drift: 4000}"), 1000);
  EXPECT_EQ(redraw("{kind: log_normal, every: 70}"), 70);
  EXPECT_EQ(redraw("{kind: rotating_hot_spot, every: 200}"), 200);
  EXPECT_EQ(redraw("{kind: burst, length: 30, period: 100}"), 10);
  EXPECT_EQ(redraw("{kind: rotating_hot_spot}"), BankSettings::kMovingSamples) << "as many steps in a row are kept";
  EXPECT_EQ(SmallBank("{kind: log_normal, every: 50}", "{kind: log_normal, every: 70}").bank->redraw(), 50);
  BankSettings never;
  never.redraw = 0;
  EXPECT_EQ(SmallBank("balanced", "{kind: log_normal, every: 70}", never).bank->redraw(), 0) << "what is asked for";
}

TEST(DriftLaw, AHotSpotThatMovesIsMetWhereItIs) {
  // Experts 0 to 7 are hot in the first turn, 8 to 15 in the second.
  SmallBank b("balanced", "{kind: rotating_hot_spot, count: 8, factor: 6, every: 64, stride: 8}");
  for (std::int64_t step = 0; step < 128; ++step)
    for (std::size_t l = 0; l < 2; ++l) (void)b.bank->times(l, step, 0, 1000, 125, std::vector<double>{0, 1});
  const std::vector<double> rows = b.bank->expert_rows();
  for (std::size_t l = 0; l < 2; ++l) {
    const auto sum = [&](std::size_t first) {
      return std::accumulate(&rows[l * 64 + first], &rows[l * 64 + first] + 8, 0.0);
    };
    EXPECT_NEAR(sum(0) / sum(8), 1, 1e-9) << "a turn each";
    EXPECT_GT(sum(0), 3 * sum(16));
    EXPECT_NEAR(std::accumulate(&rows[l * 64], &rows[l * 64] + 64, 0.0), 128 * 1000 * 6, 1);
  }
}

TEST(DriftLaw, ABalancedPlaceGoesStaleWithoutBeingAsked) {
  const std::string law = "{kind: log_normal, sigma: 1, every: 100}";
  double fresh = 0, later = 0;
  for (int of = 0; of < 2; ++of) {
    SmallBank b("balanced", law);
    std::vector<double> counts = b.bank->loads(0, 1, std::vector<double>{0, 1});
    placement::Loads loads = placement::loads_of_matrix("first", 2, 64, counts);
    const auto problem = placement::checked({.gpus = 8, .nodes = 1, .slots = 72}, 64);
    const auto maps = placement::plan(*placement::placements().of_kind("eplb"), {.loads = loads, .problem = problem});
    for (std::size_t l = 0; l < 2; ++l) b.bank->set_map(l, maps[l]);
    (of == 0 ? fresh : later) = b.balance(of == 0 ? 0 : 500);
  }
  EXPECT_GT(fresh, 0.95);
  EXPECT_LT(later, fresh - 0.05);
}

/// Prompts that load the lower experts, decoding that loads the upper ones: one prompt step of so many tokens in every
/// `each`, the others of 10.  Balancedness, by tokens, of what is planned then, over that of a plan from exactly these.
double planned_balance(double prompt_tokens, int each, std::uint64_t seed, double& before) {
  const std::string law = "{kind: log_normal, sigma: 1.2}";
  SmallBank b(law, law);
  Rebalancing::Setup setup;
  setup.spec.window = 320;
  setup.policy = [] { return placement::placements().of_kind("eplb"); };
  setup.trigger = [] { return placement::rebalance_triggers().of_kind("always"); };
  setup.problem = placement::checked({.gpus = 8, .nodes = 1, .slots = 64}, 64);
  PortUse ports;
  Rebalancing r(setup, Bytes{1}, *b.bank, ports);
  Random random(seed, "when prompts come");
  const auto of_prompts = std::vector<double>{1, 0}, of_decoding = std::vector<double>{0, 1};
  double prompts = 0, all = 0;
  const std::int64_t first = std::int64_t(random.uniform() * each);
  for (std::int64_t step = 0; step <= 640; ++step) {
    const bool prompt = step % each == first;
    const double tokens = prompt ? prompt_tokens : 10;
    r.stepped(step, prompt ? of_prompts : of_decoding, tokens, 0.01);
    prompts += prompt ? tokens : 0;
    all += tokens;
  }
  (void)r.plan(640);
  before = r.plans().at(0).before;
  const std::vector<double> loads = b.bank->loads(0, 1, std::vector<double>{prompts / all, 1 - prompts / all});
  const auto best = placement::plan(
      *setup.policy(), {.loads = placement::loads_of_matrix("all", 2, 64, loads), .problem = setup.problem});
  return placement::balancedness(b.bank->maps(), setup.problem, loads) /
         placement::balancedness(best, setup.problem, loads);
}

TEST(DriftLaw, APlanIsMadeFromTokensNotFromSteps) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed)
    for (const int each : {2, 7, 20}) {
      double before = 0, unused = 0;
      EXPECT_GT(planned_balance(8000, each, seed, before), 0.97) << "nearly all rows are of prompts; each " << each;
      // Contiguous places, on what prompts load.
      SmallBank b("{kind: log_normal, sigma: 1.2}", "{kind: log_normal, sigma: 1.2}");
      const std::vector<double> prompts = b.bank->loads(0, 1, std::vector<double>{1, 0});
      EXPECT_NEAR(before, placement::balancedness(b.bank->maps(), {.gpus = 8, .slots = 64}, prompts), 0.03);
      EXPECT_GT(planned_balance(10, each, seed, unused), 0.97) << "as many tokens in every step";
    }
}
}  // namespace
}  // namespace moesim::serving
