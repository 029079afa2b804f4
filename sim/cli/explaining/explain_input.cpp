// A model on a GPU, from options alone.
#include "cli/explaining/explain_input.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>

#include "compute/layers/even_rows.h"
#include "forward/precision.h"
#include "forward/setup.h"
#include "network/exchanges/exchange_buffers.h"
#include "spec/catalogue.h"

namespace moesim::cli {
namespace {
template <class E>
E word(std::string_view option, const std::string& text) {
  std::vector<std::string_view> names;
  for (const auto& [name, value] : enum_names(E{})) {
    if (name == text) return value;
    names.push_back(name);
  }
  throw ConfigError(fmt::format("{}: \"{}\" is not known{}", option, text, suggestion(text, names, "there are")));
}

void set_recompute(compute::Recompute& r, const ExplainOptions& o) {
  if (o.recompute.empty()) return;
  if (o.phase != "training")
    throw ConfigError::placed("--recompute: only training keeps or recomputes; add --phase training");
  if (o.recompute == "selective")
    r.norms = r.up_projections = r.swiglu = true;
  else if (o.recompute == "full")
    r.layer = true;
  else if (o.recompute != "none")
    throw ConfigError::placed(fmt::format("--recompute: expected none, selective or full, got \"{}\"", o.recompute));
}

// "4x8192", "64x512": sequences x tokens; a number alone is one sequence.
std::vector<compute::SequenceGroup> parse_lengths(const std::vector<std::string>& words) {
  const auto fail = [&] {
    throw ConfigError::placed(fmt::format(
        "--lengths: expected tokens or sequences x tokens, as in 4x8192,64x512, got \"{}\"", fmt::join(words, ",")));
  };
  std::vector<compute::SequenceGroup> out;
  for (const std::string& w : words) {
    compute::SequenceGroup group;
    const char* end = w.data() + w.size();
    auto [at, error] = std::from_chars(w.data(), end, group.length);
    if (error == std::errc{} && at != end && *at == 'x') {
      group.count = group.length;
      std::tie(at, error) = std::pair(std::from_chars(at + 1, end, group.length).ptr, std::errc{});
      if (end[-1] == 'x') fail();
    }
    if (error != std::errc{} || at != end) fail();
    out.push_back(group);
  }
  if (out.empty()) fail();
  return out;
}

forward::AskedPrecision asked_precision(const ExplainOptions& o) {
  forward::AskedPrecision out;
  const auto ask = [](std::optional<spec::Dtype>& asked, std::string_view option, const std::string& text) {
    if (!text.empty()) asked = word<spec::Dtype>(option, text);
  };
  ask(out.linear, "--precision", o.linear);
  ask(out.projections, "--projections", o.projections);
  ask(out.attention, "--attention", o.attention);
  ask(out.experts, "--experts", o.experts);
  ask(out.expert_weights, "--expert-weights", o.expert_weights);
  ask(out.kv_cache, "--kv-cache", o.kv_cache);
  return out;
}

forward::StepSetup setup_of_options(const ExplainOptions& o, const spec::Gpu& gpu, const compute::ExplainRequest& r) {
  const bool training = r.phase == compute::StepPhase::training;
  forward::StepQuestion question{.model = r.model, .gpu = gpu, .phase = r.phase};
  question.precision = forward::choose_precision(asked_precision(o), r.model, gpu, r.phase);
  set_recompute(question.recompute, o);
  question.tensor = r.options.tensor;
  question.whole_tokens = !training;
  if (o.launched) question.graphs = false;
  return forward::set_up(question);
}
}  // namespace

void size_buffers(const forward::StepSetup& setup, int gpus_per_node, compute::ExplainRequest& r) {
  if (!r.model.moe || r.expert_parallel <= 1) return;
  const int slots = r.slots > 0 ? r.slots : r.model.moe->experts / r.expert_parallel;
  network::BufferNeed need{.gpus = r.expert_parallel,
                           .per_node = std::min(r.expert_parallel, gpus_per_node),
                           .hidden = r.model.hidden,
                           .experts = slots * r.expert_parallel};
  r.exchange_buffers = [=, options = r.options, top_k = r.model.moe->rows_a_token(), dispatch = setup.dispatch,
                        combine = setup.combine](std::int64_t tokens, std::int64_t rows) mutable {
    need.tokens = std::max<std::int64_t>(1, compute::fed_tokens(tokens, options));
    need.sent = need.tokens * top_k;
    need.arrived = rows;
    return network::exchange_buffers(dispatch, combine, need);
  };
}

void set_sequences(const ExplainOptions& o, compute::ExplainRequest& r) {
  if (!o.lengths.empty()) {
    if (o.sequences || (r.phase == compute::StepPhase::decode ? o.context : o.tokens))
      throw ConfigError::placed(
          "--lengths: says how many sequences there are and how long they are; leave those options out");
    r.lengths = parse_lengths(o.lengths);
  }
  r.sequences = o.sequences.value_or(r.sequences);
  r.tokens = o.tokens.value_or(r.tokens);
  r.context = o.context.value_or(r.context);
}

ExplainSubject explain_subject(const ExplainOptions& o) {
  if (o.scenario.empty() == o.model.empty()) throw ConfigError("explain: expected a scenario, or --model with --gpu");
  if (!o.scenario.empty()) return subject_of_scenario(o);
  if (!o.sets.empty()) throw ConfigError::placed("--set: changes a scenario, and none is given");
  if (!o.pool.empty() || o.stage >= 0)
    throw ConfigError::placed(
        fmt::format("--{}: is part of a scenario, and none is given", o.pool.empty() ? "stage" : "pool"));
  ExplainSubject s{o.request, spec::load_gpu(o.gpu.empty() ? "h800" : o.gpu), nullptr, "", ""};
  compute::ExplainRequest& r = s.request;
  r.model = spec::load_model(o.model);
  r.phase = o.phase.empty() ? compute::StepPhase::prefill : word<compute::StepPhase>("--phase", o.phase);
  if (r.phase == compute::StepPhase::decode) r.tokens = 1;
  set_sequences(o, r);
  const forward::StepSetup setup = setup_of_options(o, s.gpu, r);
  r.options = setup.options;
  constexpr int kUsualNode = 8;  // a GPU alone does not say how many share an NVLink domain
  if (r.phase != compute::StepPhase::training) size_buffers(setup, kUsualNode, r);
  r.causal = !o.whole;
  if (o.whole && r.phase == compute::StepPhase::decode)
    throw ConfigError::placed("--whole: decoding has nothing to mask");
  const std::string kernels = o.kernels.empty() ? "calibrated" : o.kernels;
  s.kernels = compute::kernel_models().make(Config::from_option("--kernels", "{kind: " + kernels + "}"), s.gpu);
  return s;
}
}  // namespace moesim::cli
