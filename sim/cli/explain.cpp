// moesim explain: one layer's operations, line by line, and a GPU's memory.
#include <CLI/CLI.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/options.h"
#include "compute/explain.h"
#include "core/files.h"
#include "spec/catalogue.h"

namespace moesim {
namespace {
struct Options {
  std::string scenario, model, gpu = "h800", phase = "prefill", linear, experts, expert_weights, kv_cache,
                               kernels = "calibrated", recompute = "none";
  std::vector<std::string> sets;
  ExplainRequest request;
  bool json = false;
};

/// What to print: the request, its GPU and kernel times, and where they came from.
struct Subject {
  ExplainRequest request;
  Gpu gpu;
  std::unique_ptr<KernelModel> kernels;
  std::string resolved;  // of a scenario; "" for the direct form
};

template <class E>
E word(std::string_view option, const std::string& text) {
  std::vector<std::string_view> names;
  for (const auto& [name, value] : EnumNames<E>::table) {
    if (name == text) return value;
    names.push_back(name);
  }
  throw ConfigError(fmt::format("{}: \"{}\" is not known{}", option, text, suggestion(text, names, "there are")));
}

void set_recompute(Recompute& r, const std::string& text, const std::string& where) {
  if (text == "selective")
    r.norms = r.up_projections = r.swiglu = true;
  else if (text == "full")
    r.layer = true;
  else if (text != "none")
    throw ConfigError(fmt::format("{}: expected none, selective or full, got \"{}\"", where, text));
}

void set_phase(ExplainRequest& r, ExplainPhase phase) {
  r.phase = phase;
  r.options.training = phase == ExplainPhase::training;
  r.options.graphs = phase == ExplainPhase::decode;
  r.options.layout = phase == ExplainPhase::decode ? GroupLayout::masked : GroupLayout::contiguous;
}

template <class T>
void read_if(const Config& config, std::string_view key, T& value) {
  if (config.has(key)) config.at(key).parse(value);
}

Subject direct(const Options& o) {
  Subject s{o.request, load_gpu(o.gpu), nullptr, ""};
  s.request.model = load_model(o.model);
  set_phase(s.request, word<ExplainPhase>("--phase", o.phase));
  Precisions& p = s.request.options.precision;
  if (o.linear.empty())
    p = released_precisions(s.request.model, s.gpu);
  else
    p.linear = word<Dtype>("--precision", o.linear);
  if (!o.experts.empty()) p.experts = word<Dtype>("--experts", o.experts);
  if (!o.expert_weights.empty()) p.expert_weights = word<Dtype>("--expert-weights", o.expert_weights);
  if (!o.kv_cache.empty()) p.kv_cache = word<Dtype>("--kv-cache", o.kv_cache);
  set_recompute(s.request.options.recompute, o.recompute, "--recompute");
  if (s.request.phase == ExplainPhase::decode && s.request.tokens == ExplainRequest{}.tokens) s.request.tokens = 1;
  s.kernels =
      kernel_models().make(Config::from_text("kernels: {kind: " + o.kernels + "}", "--kernels").at("kernels"), s.gpu);
  return s;
}

void read_training(ExplainRequest& r, const Config& t, const Cluster& cluster) {
  set_phase(r, ExplainPhase::training);
  std::string recompute = "none";
  const Config parallel = t.at_or_empty("parallel"), state = t.at_or_empty("state");
  read_if(t, "sequence", r.tokens);
  read_if(t, "micro_batch", r.sequences);
  read_if(t, "recompute", recompute);
  set_recompute(r.options.recompute, recompute, "training.recompute");
  read_if(parallel, "pipeline", r.pipeline);
  read_if(parallel, "expert", r.expert_parallel);
  read_if(parallel, "tensor", r.options.tensor);
  read_if(parallel, "expert_tensor", r.options.expert_tensor);
  read_if(parallel, "zero", r.state.zero);
  r.options.sequence_parallel = r.options.tensor > 1;
  r.state.data_parallel = std::max(1, cluster.gpus() / std::max(1, r.pipeline * r.options.tensor));
  r.state.expert_parallel_data = std::max(1, cluster.gpus() / std::max(1, r.pipeline * r.expert_parallel));
  r.in_flight = r.pipeline;  // 1F1B's first stage, the fullest
  read_if(state, "weights", r.state.weights);
  read_if(state, "master", r.state.master);
  read_if(state, "gradients", r.state.gradients);
  read_if(state, "moments", r.state.moments);
  if (t.has("precision")) t.at("precision").parse(r.options.precision);
}

void read_passes(ExplainRequest& r, const Config& p, const Cluster& cluster) {
  r.expert_parallel = cluster.gpus();
  read_if(p, "expert_parallel", r.expert_parallel);
  const bool decode = !p.has("prefill") && p.has("decode");
  set_phase(r, decode ? ExplainPhase::decode : ExplainPhase::prefill);
  const Config phase = p.at_or_empty(decode ? "decode" : "prefill");
  r.sequences = decode ? 64 : 4;  // the section's defaults
  r.tokens = decode ? 1 : 1024;
  r.context = decode ? 1024 : 0;
  read_if(phase, "sequences", r.sequences);
  read_if(phase, "new_tokens", r.tokens);
  read_if(phase, "context", r.context);
  if (p.has("precision")) p.at("precision").parse(r.options.precision);
}

// The first pool, with a step of typical size: requests come and go, so there is no one batch to explain.
void read_serving(ExplainRequest& r, const Config& serving, const Gpu& gpu) {
  const std::vector<Config> pools = serving.has("pools") ? serving.at("pools").items() : std::vector<Config>{};
  const Config pool = pools.empty() ? serving : pools.front();
  const Config parallel = pool.at_or_empty("parallel");
  std::string role = "both";
  int data = 1, tensor = 1;
  read_if(pool, "role", role);
  read_if(parallel, "data", data);
  read_if(parallel, "tensor", tensor);
  r.expert_parallel = data * tensor;
  read_if(parallel, "expert", r.expert_parallel);
  if (r.model.moe && r.model.moe->experts % r.expert_parallel != 0)
    r.slots = (r.model.moe->experts + r.expert_parallel - 1) / r.expert_parallel;
  r.options.tensor = tensor;
  const bool decode = role != "prefill";
  set_phase(r, decode ? ExplainPhase::decode : ExplainPhase::prefill);
  r.sequences = decode ? 64 : 1;
  r.tokens = decode ? 1 : 4096;
  r.context = decode ? 4096 : 0;
  r.options.precision = released_precisions(r.model, gpu);
  if (pool.has("precision")) pool.at("precision").parse(r.options.precision);
}

Subject from_scenario(const Options& o) {
  const Config scenario = Config::load(catalogue_file("scenarios", o.scenario, "scenario"), parse_overrides(o.sets));
  Subject s{o.request, {}, nullptr, ""};
  s.request.model = read_model(scenario.at("model"));
  const Cluster cluster = read_cluster(scenario.at("cluster"));
  s.gpu = cluster.node.gpu;
  if (scenario.has("training"))
    read_training(s.request, scenario.at("training"), cluster);
  else if (scenario.has("serving"))
    read_serving(s.request, scenario.at("serving"), s.gpu);
  else if (scenario.has("passes"))
    read_passes(s.request, scenario.at("passes"), cluster);
  else
    throw ConfigError(fmt::format("{}: expected a section training, serving or passes: there is no layer to explain",
                                  scenario.file()));
  s.request.layer = o.request.layer;
  s.kernels = make_kernel_model(scenario, s.gpu);
  s.resolved = scenario.resolved();
  return s;
}

std::string origin(const Provenance& p) {
  std::string out(name_of(p.origin));
  if (p.origin == Origin::extrapolated) out += fmt::format(" {:.2g}x", p.beyond);
  return p.borrowed ? out + ", borrowed" : out;
}

/// ", experts fp8 of fp4 weights"; "" if they are as the other linear layers.
std::string expert_precision(const Precisions& p) {
  if (p.of_experts() == p.linear && !p.expert_weights) return "";
  return fmt::format(", experts {}{}", name_of(p.of_experts()),
                     p.expert_weights ? fmt::format(" of {} weights", name_of(*p.expert_weights)) : "");
}

void print_text(const Subject& s, const Explanation& e) {
  const ExplainRequest& r = s.request;
  if (!s.resolved.empty()) fmt::print("{}\n", s.resolved);
  fmt::print("{}, layer {} of {}, {} on {}: {} x {} tokens after {}, linear layers {}{}\n", r.model.title, e.layer,
             r.model.layers, name_of(r.phase), s.gpu.title, r.sequences, r.tokens, r.context,
             name_of(r.options.precision.linear), expert_precision(r.options.precision));
  if (!e.rows.empty())
    fmt::print("{} routed experts here, {} rows each; experts shared by {} GPUs\n", e.rows.size(), e.rows.front(),
               r.expert_parallel);
  fmt::print("kernel times: {}\n\n", s.kernels->source());
  fmt::print("{:<9} {:<9} {:<28} {:>10} {:>10} {:>10} {:>6}  {:<20} {}\n", "pass", "part", "operation", "GFLOP", "MB",
             "us", "share", "from", "kernel");
  Flops flops{};
  Bytes bytes{};
  for (const auto& [o, cost] : e.operations) {
    const std::string_view pass = o.pass == Pass::forward          ? "forward"
                                  : o.pass == Pass::backward_input ? "backward"
                                                                   : "weights";
    fmt::print("{:<9} {:<9} {:<28} {:>10.3f} {:>10.3f} {:>10.2f} {:>5.1f}%  {:<20} {}{}\n", pass, name_of(o.part),
               o.name, o.flops.v * 1e-9, double(o.bytes.v) * 1e-6, seconds(cost.time) * 1e6,
               100 * (cost.time / e.total), origin(cost.from), describe(o.kernel), o.recomputed ? " (again)" : "");
    flops += o.flops, bytes += o.bytes;
  }
  fmt::print("{:<48} {:>10.3f} {:>10.3f} {:>10.2f}\n\n", "sum, one after the other", flops.v * 1e-9,
             double(bytes.v) * 1e-6, seconds(e.total) * 1e6);
  fmt::print("memory of the GPU{}\n", r.phase == ExplainPhase::training && r.pipeline > 1 ? " (a late stage)" : "");
  for (const MemoryItem& i : e.memory.items) fmt::print("  {:<28} {:>10.3f} GB\n", i.name, double(i.bytes.v) * 1e-9);
  fmt::print("  {:<28} {:>10.3f} GB of {:.3f} GB{}\n", "sum", double(e.memory.total().v) * 1e-9,
             double(s.gpu.memory.v) * 1e-9, e.memory.total() > s.gpu.memory ? ": does not fit" : "");
}

void print_json(const Subject& s, const Explanation& e) {
  using Json = nlohmann::ordered_json;
  Json out{{"model", s.request.model.name},
           {"gpu", s.gpu.name},
           {"layer", e.layer},
           {"phase", name_of(s.request.phase)},
           {"source", s.kernels->source()},
           {"time", seconds(e.total)}};
  for (const auto& [o, cost] : e.operations)
    out["operations"].push_back({{"name", o.name},
                                 {"part", name_of(o.part)},
                                 {"pass", name_of(o.pass)},
                                 {"recomputed", o.recomputed},
                                 {"kernel", describe(o.kernel)},
                                 {"flops", o.flops.v},
                                 {"useful_flops", o.useful.v},
                                 {"bytes", o.bytes.v},
                                 {"weights", o.weights.v},
                                 {"time", seconds(cost.time)},
                                 {"share", cost.time / e.total},
                                 {"origin", name_of(cost.from.origin)},
                                 {"beyond", cost.from.beyond},
                                 {"borrowed", cost.from.borrowed}});
  for (const MemoryItem& i : e.memory.items) out["memory"][i.name] = i.bytes.v;
  out["memory_total"] = e.memory.total().v;
  fmt::print("{}\n", out.dump(2));
}

void run(const Options& o) {
  if (o.scenario.empty() == o.model.empty()) throw ConfigError("explain: expected a scenario, or --model with --gpu");
  const Subject s = o.scenario.empty() ? direct(o) : from_scenario(o);
  const Explanation e = explain(s.request, *s.kernels);
  o.json ? print_json(s, e) : print_text(s, e);
}
}  // namespace

void add_explain(CLI::App& app, int&) {
  CLI::App* verb =
      app.add_subcommand("explain", "a layer's operations with FLOPs, bytes and times, and a GPU's memory");
  auto o = std::make_shared<Options>();
  ExplainRequest& r = o->request;
  verb->add_option("scenario", o->scenario, "a YAML file, or a name from `moesim list scenarios`");
  verb->add_option("--set", o->sets, "change one value of the scenario: key.path=value (repeat for more)")
      ->allow_extra_args(false);
  verb->add_option("--layer", r.layer, "model layer number (default: the first MoE layer)")
      ->check(CLI::NonNegativeNumber);
  verb->add_flag("--json", o->json, "print one JSON object");
  const char* group = "Without a scenario";
  verb->add_option("--model", o->model, "catalogue name, YAML path or config.json")->group(group);
  verb->add_option("--gpu", o->gpu, "catalogue name or YAML path")->capture_default_str()->group(group);
  verb->add_option("--phase", o->phase, "prefill, decode or training")->capture_default_str()->group(group);
  verb->add_option("--sequences", r.sequences, "on the GPU")->capture_default_str()->group(group);
  verb->add_option("--tokens", r.tokens, "new tokens of each sequence (decode: default 1)")
      ->capture_default_str()
      ->group(group);
  verb->add_option("--context", r.context, "cached tokens of each sequence")->capture_default_str()->group(group);
  verb->add_option("--precision", o->linear, "of linear layers: bf16, fp8, fp4 (default: as released)")->group(group);
  verb->add_option("--experts", o->experts, "of routed experts' products (default: as the linear layers)")
      ->group(group);
  verb->add_option("--expert-weights", o->expert_weights, "as stored, where narrower: fp4 for MXFP4")->group(group);
  verb->add_option("--kv-cache", o->kv_cache, "bf16 or fp8 (default bf16)")->group(group);
  verb->add_option("--tensor", r.options.tensor, "GPUs that share attention")->capture_default_str()->group(group);
  verb->add_option("--expert-parallel", r.expert_parallel, "GPUs that share the experts")
      ->capture_default_str()
      ->group(group);
  verb->add_option("--pipeline", r.pipeline, "training: stages")->capture_default_str()->group(group);
  verb->add_option("--recompute", o->recompute, "training: none, selective or full")
      ->capture_default_str()
      ->group(group);
  verb->add_option("--sms", r.share.sms, "SMs to compute on; 0: all")->capture_default_str()->group(group);
  verb->add_option("--kernels", o->kernels, "calibrated, roofline or \"table, file: FILE.csv\"")
      ->capture_default_str()
      ->group(group);
  verb->callback([o] { run(*o); });
}
}  // namespace moesim
