// moesim explain: one layer's operations, line by line, and a GPU's memory.
#include <CLI/CLI.hpp>

#include <fmt/format.h>

#include "cli/command.h"
#include "cli/explaining/explain_input.h"
#include "cli/numbers.h"
#include "cli/options.h"
#include "core/log.h"
#include "core/terminal.h"

namespace moesim::cli {
namespace {
constexpr const char* kOwn = "Without a scenario";

void run(const CLI::App& verb, const ExplainOptions& o) {
  for (const CLI::Option* option : verb.get_options())
    if (!o.scenario.empty() && option->get_group() == kOwn && option->count() > 0 && option->get_name() != "--model")
      throw ConfigError(fmt::format("{}: the scenario says it; change that with --set", option->get_name()));
  if (o.settings && o.json) throw ConfigError::placed("--settings: is for tables; JSON has no settings");
  const ExplainSubject s = explain_subject(o);
  const compute::Explanation e = compute::explain(s.request, *s.kernels);
  if (o.json) return print_text("{}", explanation_json(s, e));
  print_folded(explanation_text(s, e, o.settings));
}

void add_step(CLI::App& verb, ExplainOptions& o) {
  const char* group = "The step (a scenario's training and passes say their own)";
  verb.add_option("--phase", o.phase, "prefill, decode or training (default: prefill, or what the scenario does)")
      ->group(group);
  verb.add_option("--sequences", o.sequences, "on the GPU, or its tensor-parallel group (default 1)")
      ->check(whole_number(1, kMostCount))
      ->group(group);
  verb.add_option("--tokens", o.tokens, "new ones of each sequence (default 4096; decode: 1, or 1 + drafts)")
      ->check(whole_number(1, kMostCount))
      ->group(group);
  verb.add_option("--context", o.context, "cached ones of each sequence (default 0)")
      ->check(whole_number(0, kMostCount))
      ->group(group);
  add_list(verb, "--lengths", o.lengths,
           "ragged: 4x8192,64x512 are 4 sequences of 8192 tokens and 64 of 512, new ones "
           "or, in decode, cached ones")
      ->group(group);
  verb.add_option("--pool", o.pool, "of a serving scenario (default: the first)")->group(group);
  verb.add_option("--stage", o.stage, "of a scenario's pipeline, whose memory is shown (default: the fullest)")
      ->check(whole_number(0, 100'000))
      ->group(group);
}

void add_own(CLI::App& verb, ExplainOptions& o) {
  compute::ExplainRequest& r = o.request;
  verb.add_option("--model", o.model, "catalogue name, YAML path or config.json")->group(kOwn);
  verb.add_option("--gpu", o.gpu, "catalogue name or YAML path (default h800)")->group(kOwn);
  verb.add_option("--precision", o.linear, "of linear layers: bf16, fp8, fp4 (default: as released)")->group(kOwn);
  verb.add_option("--projections", o.projections, "of attention's projections (default: as the linear layers)")
      ->group(kOwn);
  verb.add_option("--attention", o.attention, "of the attention core: bf16 or fp8 (default bf16)")->group(kOwn);
  verb.add_option("--experts", o.experts, "of routed experts' products (default: as the linear layers)")->group(kOwn);
  verb.add_option("--expert-weights", o.expert_weights, "as stored, where narrower: fp4 for MXFP4")->group(kOwn);
  verb.add_option("--kv-cache", o.kv_cache, "bf16 or fp8 (default bf16)")->group(kOwn);
  verb.add_flag("--whole", o.whole, "attention is not causal")->group(kOwn);
  verb.add_flag("--no-graphs", o.launched, "decode: small kernels are launched, not replayed from CUDA graphs")
      ->group(kOwn);
  verb.add_option("--tensor", r.options.tensor, "GPUs that share attention")
      ->check(whole_number(1, 1'000'000))
      ->capture_default_str()
      ->group(kOwn);
  verb.add_option("--expert-parallel", r.expert_parallel, "GPUs that share the experts")
      ->check(whole_number(1, 1'000'000))
      ->capture_default_str()
      ->group(kOwn);
  verb.add_option("--recompute", o.recompute, "training: none, selective or full (default none)")->group(kOwn);
  verb.add_option("--kernels", o.kernels,
                  "calibrated (default), roofline or table, with parameters as in \"table, file: FILE.csv\" and "
                  "\"calibrated, sustained: false\" (moesim list kernels)")
      ->group(kOwn);
}
}  // namespace

void add_explain(CLI::App& app, int&) {
  CLI::App* verb =
      app.add_subcommand("explain", "a layer's operations with FLOPs, bytes and times, and a GPU's memory");
  auto o = std::make_shared<ExplainOptions>();
  compute::ExplainRequest& r = o->request;
  verb->add_option("scenario", o->scenario, "a YAML file, or a name from `moesim list scenarios`");
  verb->add_option("--set", o->sets, "change one value of the scenario: key.path=value (repeat for more)")
      ->allow_extra_args(false);
  verb->add_option("--layer", r.layer, "model layer number (default: the first MoE layer)")
      ->check(whole_number(0, 100'000));
  verb->add_option("--sms", r.share.sms, "SMs to compute on (default: all)")->check(whole_number(1, 100'000));
  verb->add_option("--beside", r.beside,
                   "with --sms: an operation of the list that runs on the other SMs meanwhile, so that both contend "
                   "for the memory bandwidth");
  verb->add_flag("--settings", o->settings, "also print every value in force of the scenario, defaults included");
  verb->add_flag("--json", o->json, "print one JSON object");
  add_step(*verb, *o);
  add_own(*verb, *o);
  verb->callback([verb, o] {
    if (o->scenario.empty()) o->scenario = take_stray(o->lengths, begins_as_number);
    run(*verb, *o);
  });
}
}  // namespace moesim::cli
