// What a planner asks: a model, a load, targets, and what may be bought.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/config.h"
#include "core/key_help.h"
#include "core/units.h"
#include "runs/expect.h"
#include "serving/step/overlap.h"
#include "spec/hardware.h"
#include "spec/model.h"

namespace moesim::sizing {
/// Latencies that may have a target, by the names of their metrics.
constexpr std::array<std::string_view, 16> kLatencies = {
    "ttft_mean", "ttft_p50", "ttft_p90", "ttft_p99", "tpot_mean", "tpot_p50", "tpot_p90", "tpot_p99",
    "itl_mean",  "itl_p50",  "itl_p90",  "itl_p99",  "e2e_mean",  "e2e_p50",  "e2e_p90",  "e2e_p99"};

/// Where a latency stands among them.
consteval std::size_t latency_index(std::string_view name) {
  for (std::size_t i = 0; i < kLatencies.size(); ++i)
    if (kLatencies[i] == name) return i;
  throw "no latency is called so";
}

struct Targets {
  std::array<std::optional<Time>, kLatencies.size()> latency{};
  double share = 0;  // of the requests within every per-request latency below; 0: no such target
  Time ttft{}, tpot{}, e2e{};
  std::optional<Price> budget{};
  std::optional<Power> power{};
  std::optional<int> gpus{};
  double tokens_per_day = 0;
  static void fields(auto& f, auto& p) {
    for (std::size_t i = 0; i < kLatencies.size(); ++i)
      f(kLatencies[i], p.latency[i], "at most; as the metric of that name");
    f("share", p.share, "of the requests that must be within ttft, tpot and e2e; 0: no such target");
    f("ttft", p.ttft, "of one request, for `share`; 0 s: any");
    f("tpot", p.tpot, "of one request, for `share`; 0 s: any");
    f("e2e", p.e2e, "of one request, for `share`; 0 s: any");
    f("budget", p.budget, "most that the GPUs may cost");
    f("power", p.power, "most that the GPUs may draw at their board limits");
    f("gpus", p.gpus, "most GPUs");
    f("tokens_per_day", p.tokens_per_day,
      "of prompts and answers that must be served, within the other targets: a load that has fewer is raised to them, "
      "clients must ask for them; 0: no such target");
  }
};

/// Nodes that may be had, and what they cost.
struct NodeChoice {
  Config node;
  std::string fabric = "ib-rail";
  int most = 64;
  std::optional<Price> price{};
  double purchase = 0, years = 4, power_price = 0, power_usage = 1.3;
  static void fields(auto& f, auto& p) {
    f.required("node", p.node, "a node of hardware/, or one written out");
    f("fabric", p.fabric, "what joins the nodes (hardware/)");
    f("nodes", p.most, "most of them");
    f("price", p.price, "of a GPU; default: the GPU's");
    f("purchase", p.purchase, "of an own node, USD, instead of a price; 0: rented");
    f("years", p.years, "that an own node is used");
    f("power_price", p.power_price, "USD a kWh, of own nodes at their board limits");
    f("power_usage", p.power_usage, "power of the building over that of the nodes");  // Uptime Institute 2024: 1.56 on
                                                                                      // average, large new ones 1.3
  }
};

enum class Layout { aggregated, disaggregated };
constexpr auto enum_names(Layout) {
  return std::to_array<std::pair<std::string_view, Layout>>(
      {{"aggregated", Layout::aggregated}, {"disaggregated", Layout::disaggregated}});
}

/// GPUs of pools apart.
struct PoolRatio {
  int prefill = 1, decode = 1;
  static void fields(auto& f, auto& p) {
    f.required("prefill", p.prefill, "GPUs that compute prompts");
    f.required("decode", p.decode, "to so many that decode");
  }
};

struct Candidates {
  std::vector<Config> nodes;
  std::vector<std::string> engines{"sglang"};
  std::vector<Layout> layouts{Layout::aggregated, Layout::disaggregated};
  std::vector<int> tensor, data, pipeline, expert, batch, tokens, redundant;
  std::vector<PoolRatio> ratios;
  std::vector<serving::OverlapKind> overlap;
  double pairs = 0;
  Config speculation, kv, precision;
  static void fields(auto& f, auto& p) {
    f.required("nodes", p.nodes, "kinds of node: names, or maps with price and number");
    f("engines", p.engines, "sglang, vllm, trtllm");
    f("layouts", p.layouts, "aggregated (prompts and answers on the same GPUs), disaggregated");
    f("tensor", p.tensor, "tensor-parallel degrees; default: all that divide the heads and fit a node");
    f("data", p.data, "attention ranks of an instance; default: powers of two, and whole nodes times 9");
    f("pipeline", p.pipeline, "stages of an instance; default 1");
    f("expert", p.expert,
      "GPUs that share the experts of an instance (of each of its stages): 1, each has a slice of them all, or all of "
      "them; default: both");
    f("ratios", p.ratios, "of GPUs that compute prompts to GPUs that decode, apart; default: each pool as it needs");
    f("batch", p.batch, "most requests of a rank; default 16 to 512");
    f("tokens", p.tokens, "most tokens of a rank and step; default 2048 to 16384");
    f("redundant", p.redundant, "slots beyond one an expert; default 0 and an eighth of the experts");
    f("overlap", p.overlap, "of instances with exchanges; default: what their role and the engine can use, and none");
    f("pairs", p.pairs,
      "most query-key pairs of a rank and step that computes prompts, so that all GPUs attend to as much (a batcher's "
      "max_pairs); 0: any number");
    f("speculation", p.speculation,
      "drafts, as serving.speculation, or a list of such to choose from, `none` among them; default none");
    f("kv", p.kv, "as a pool's kv");
    f("precision", p.precision, "as a pool's precision, or a list of such to choose from, of all pools together");
  }
};

struct SearchSection {
  double margin = 0.25;
  int keep = 6, seeds = 3;
  Time least{};
  std::optional<Time> most;
  bool exhaustive = false;
  static void fields(auto& f, auto& p) {
    f("margin", p.margin,
      "candidates whose closed form costs more than the cheapest by this share are not simulated, until six have shown "
      "how far closed forms miss");
    f("keep", p.keep, "layouts of a role and kind of node that are simulated");
    f("seeds", p.seeds, "that the winner and its rivals are confirmed with");
    f("least", p.least,
      "shortest simulated time; 0 s: by the length of the requests, and by how many percentiles need");
    f("most", p.most,
      "longest simulated time; default 600 s, or until as many requests have come as the targets' percentiles need, "
      "and "
      "up to four times that where a verdict is close");
    f("exhaustive", p.exhaustive,
      "simulates every candidate that fits its memory and the limits on size, and meets the latencies when all but "
      "idle");
  }
  Time longest() const { return most.value_or(600_s); }
};

/// What an answer is tried again under.
enum class CheckKind { seeds, node_loss, spare, bursts, uneven_experts, drift };
constexpr auto enum_names(CheckKind) {
  return std::to_array<std::pair<std::string_view, CheckKind>>({{"seeds", CheckKind::seeds},
                                                                {"node_loss", CheckKind::node_loss},
                                                                {"spare", CheckKind::spare},
                                                                {"bursts", CheckKind::bursts},
                                                                {"uneven_experts", CheckKind::uneven_experts},
                                                                {"drift", CheckKind::drift}});
}

struct ConfirmSection {
  std::vector<CheckKind> required;
  static void fields(auto& f, auto& p) {
    f("required", p.required,
      "checks that the answer must hold in as well: what misses one makes way for more of its instances and for what "
      "is "
      "dearer, up to 12 in turn; where nothing holds, the exit code is 1: seeds (the other ones), node_loss (no "
      "spare), spare (a node lost, a spare in its place), bursts, uneven_experts, drift (experts placed on loads that "
      "have moved since)");
  }
};

struct SizeSection {
  Config workload;
  double growth = 1;
  Targets targets;
  Candidates candidates;
  SearchSection search;
  ConfirmSection confirm;
  static void fields(auto& f, auto& p) {
    f.required("workload", p.workload, "the load, as serving.workload (moesim list workload)");
    f("growth", p.growth, "multiplies the load: its rate, or its clients");
    f.required("targets", p.targets, "what must hold");
    f.required("candidates", p.candidates, "what may be bought, and how it may be used; left out: what engines allow");
    f("search", p.search, "how far the search goes");
    f("confirm", p.confirm, "what the answer is tried under that must hold too");
  }
};

/// A node that may be had, read and priced.
struct PricedNode {
  NodeChoice choice;
  spec::Node node;
  std::string text;     // as a scenario writes it
  double gpu_hour = 0;  // USD
  std::string assumed;  // what its price takes that the plan does not say, with its place; "": it says all
};

/// A node of a plan, by name or as a NodeChoice.  Throws ConfigError if no price of it is known.
PricedNode read_priced_node(const Config& item);
/// Throws ConfigError for the same offer twice, which would tie with itself.  candidates: has `nodes`.
void check_different_nodes(const Config& candidates, const std::vector<PricedNode>& nodes);

/// The load as its workload draws it, later turns of conversations included.
struct Load {
  double rate = 0;                              // requests/s; 0 in closed loops
  int clients = 0;                              // of closed loops
  double input = 0, output = 0;                 // mean tokens
  double fresh = 0;                             // mean tokens of prompts that no earlier one began with
  double span = 0;                              // s from the first arrival to the last, if there is a last; 0: endless
  double turns = 1, pauses = 0;                 // of a conversation, mean: its requests, and s between them in all
  std::int64_t longest_input = 0, longest = 0;  // tokens of the longest prompt, and of the longest with its answer
  double raised = 1;                            // times what the workload draws, by the target tokens_per_day
  double tokens_per_day = 0;                    // that target, of an open load
  double beyond = 0;  // share of the requests that are longer than the model's context; all else here is of the others
};
// assumed: fewer requests say nothing of a percentile
constexpr int kJudged = 40;

/// A map as a scenario writes it: keys and lines of YAML, in order.
using TextMap = std::vector<std::pair<std::string, std::string>>;

/// What all pools of a deployment have alike, of the lists of a plan.
struct Variant {
  std::string precision, drafts;  // lines of YAML; "": as the model's, none
  double tokens_per_step = 1;     // with the drafts that are accepted
  std::string label{};            // what tells it from the plan's others; "": there is one
  bool operator==(const Variant&) const = default;
};

class TrialBook;
class SharedTrials;

/// All that the search asks is here as text and numbers: configurations note what is read, and threads must not.
struct PlanHead {
  std::string file, title;
  Config config;
  std::uint64_t seed = 1;
  spec::Model model;
  std::string model_text, routing_text, kernels_text, network_text;  // lines of YAML; "" where nothing is said
  std::vector<runs::Expectation> expectations;                       // of the answer's figures
};
/// What plans of services and of training runs begin with, by name or file.  Throws ConfigError.
PlanHead read_plan_head(const std::string& name, const std::vector<Config::Override>& overrides,
                        std::optional<std::uint64_t> seed);
/// Whether the plan asks for a training run (pretraining/job.h).
bool asks_for_training(const PlanHead& plan);

struct Plan : PlanHead {
  std::string kv_text;                // a line of YAML, likewise
  bool model_named = true;            // the model is a name or file, not written out
  TextMap workload, input, output;    // keys of the load and of its lengths
  std::vector<Variant> variants{{}};  // of every deployment; the first one unless more are listed
  SizeSection section;
  std::vector<PricedNode> nodes;
  Load load;
  TrialBook* book = nullptr;       // simulations done before, and those to come; nullptr: nothing is kept
  SharedTrials* shared = nullptr;  // what simulations need not find out twice; nullptr: each finds out for itself
};

/// What the plan's workload draws in its first requests.  size: the section.  Throws ConfigError for a load that cannot
/// be simulated.
Load read_load(const Config& size, const Plan& plan);
/// What the plan's answer says of requests that no engine takes, in a sentence; "" if there are none.
std::string beyond_text(const Plan& plan);
/// Reads a plan by name or file.  Throws ConfigError before anything is simulated: unknown keys, targets that no
/// request can have, empty candidate sets, degrees that do not divide, prices that are missing.
Plan read_plan(PlanHead head);
Plan read_plan(const std::string& name, const std::vector<Config::Override>& overrides,
               std::optional<std::uint64_t> seed);
/// Keys of a plan's file, and of its section `size` where a service is asked for.
std::vector<KeyHelp> plan_keys();
std::vector<KeyHelp> size_keys();
}  // namespace moesim::sizing
