// A model on a GPU, from options alone.
#include "cli/explain_input.h"

#include <fmt/format.h>

#include <charconv>
#include <sstream>

#include "spec/catalogue.h"

namespace moesim {
namespace {
template <class E>
E word(std::string_view option, const std::string& text) {
  std::vector<std::string_view> names;
  for (const auto& [name, value] : EnumNames<E>::table) {
    if (name == text) return value;
    names.push_back(name);
  }
  throw ConfigError(fmt::format("{}: \"{}\" is not known{}", option, text, suggestion(text, names, "there are")));
}

void set_recompute(Recompute& r, const ExplainOptions& o) {
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

// "4x8192,64x512": sequences x tokens; a number alone is one sequence.
std::vector<SequenceGroup> parse_lengths(const std::string& text) {
  const auto fail = [&] {
    throw ConfigError::placed(
        fmt::format("--lengths: expected tokens or sequences x tokens, as in 4x8192,64x512, got \"{}\"", text));
  };
  std::vector<SequenceGroup> out;
  std::istringstream words(text);
  for (std::string w; std::getline(words, w, ',');) {
    SequenceGroup group;
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
  if (out.empty() || text.ends_with(',')) fail();
  return out;
}

// FP4 releases are quantised after training.
void set_precisions(const ExplainOptions& o, const Gpu& gpu, const ExplainRequest& r, Precisions& p) {
  if (!o.linear.empty())
    p.linear = word<Dtype>("--precision", o.linear);
  else if (r.phase != ExplainPhase::training || r.model.weights != Dtype::fp4)
    p = released_precisions(r.model, gpu);
  if (!o.attention.empty()) p.attention = word<Dtype>("--attention", o.attention);
  if (!o.experts.empty()) p.experts = word<Dtype>("--experts", o.experts);
  if (!o.expert_weights.empty()) p.expert_weights = word<Dtype>("--expert-weights", o.expert_weights);
  if (!o.kv_cache.empty()) p.kv_cache = word<Dtype>("--kv-cache", o.kv_cache);
}
}  // namespace

void set_phase(ExplainRequest& r, ExplainPhase phase) {
  r.phase = phase;
  r.options.training = phase == ExplainPhase::training;
  r.options.graphs = phase == ExplainPhase::decode;
  r.options.layout = phase == ExplainPhase::decode ? GroupLayout::masked : GroupLayout::contiguous;
}

void set_sequences(const ExplainOptions& o, ExplainRequest& r) {
  if (!o.lengths.empty()) {
    if (o.sequences || (r.phase == ExplainPhase::decode ? o.context : o.tokens))
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
  ExplainSubject s{o.request, load_gpu(o.gpu.empty() ? "h800" : o.gpu), nullptr, "", ""};
  ExplainRequest& r = s.request;
  r.model = load_model(o.model);
  set_phase(r, o.phase.empty() ? ExplainPhase::prefill : word<ExplainPhase>("--phase", o.phase));
  if (r.phase == ExplainPhase::decode) r.tokens = 1;
  set_sequences(o, r);
  set_recompute(r.options.recompute, o);
  r.options.sequence_parallel = r.options.training && r.options.tensor > 1;
  if (o.launched) r.options.graphs = false;
  r.causal = !o.whole;
  if (o.whole && r.phase == ExplainPhase::decode) throw ConfigError::placed("--whole: decoding has nothing to mask");
  set_precisions(o, s.gpu, r, r.options.precision);
  const std::string kernels = o.kernels.empty() ? "calibrated" : o.kernels;
  s.kernels = kernel_models().make(Config::from_option("--kernels", "{kind: " + kernels + "}"), s.gpu);
  return s;
}
}  // namespace moesim
