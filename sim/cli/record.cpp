// moesim record: real text through a real forward pass, its routing into a trace.
#include <CLI/CLI.hpp>

#include <fmt/format.h>

#include "cli/command.h"
#include "cli/model_input.h"
#include "cli/numbers.h"
#include "cli/options.h"
#include "core/files.h"
#include "core/interrupt.h"
#include "core/log.h"
#include "core/words.h"
#include "formats/json.h"
#include "numerics/compressed/tensors.h"
#include "numerics/pass/gates.h"
#include "numerics/weights/export.h"
#include "recording/evaluate.h"
#include "routing/trace.h"

namespace moesim::cli {
namespace {
struct Given {
  ModelInput input;
  Judgement judge;
  std::string folder;
  std::string picks;  // file of what indexers pick; "" for none
  bool no_weights = false, losses = false, json = false;
  recording::RecordOptions record;
  LimitOptions limits;
};

void print(const recording::RecordResult& r, const std::string& output) {
  print_text("{}: {} of {} ({} prefill, {} decode), {}, {}{}\n", output,
             counted(r.prefill_tokens + r.decode_tokens, "token"), counted(r.requests, "request"), r.prefill_tokens,
             r.decode_tokens, counted(r.moe_layers, "MoE layer"), counted(r.passes, "pass"),
             r.complete ? "" : "; interrupted");
  print_text("{}\n", numerics::products_note());
}

void print_json(const recording::RecordResult& r, const std::string& output,
                const std::optional<recording::Evaluation>& evaluation) {
  formats::Json out{{"trace", output},
                    {"requests", r.requests},
                    {"prefill_tokens", r.prefill_tokens},
                    {"decode_tokens", r.decode_tokens},
                    {"moe_layers", r.moe_layers},
                    {"passes", r.passes},
                    {"products", numerics::products_note()},
                    {"complete", r.complete}};
  if (evaluation) out["evaluation"] = formats::Json::parse(recording::evaluation_json(*evaluation));
  print_text("{}\n", formats::json_text(out, 2));
}

/// DeepSeek-V4's pass is one of its own: its tensors, its caches, its gate.
void record_compressed(const Given& given, const spec::Model& model,
                       const std::vector<recording::RecordRequest>& requests,
                       const recording::EvaluateOptions& judged) {
  check_compressed({{"--mtp", given.record.mtp}, {"--export", !given.folder.empty()}}, model);
  check_compressed(given.judge, given.input, model);
  const CompressedWeights weights = compressed_weights_of(given.input, model);
  std::optional<recording::Evaluation> evaluation;
  if (given.losses)
    evaluation = recording::evaluate_compressed(model, *weights.shape, *weights.tensors, requests, judged);
  recording::RecordOptions options = given.record;
  options.source = "moesim record, " + source_of(given.input);
  options.gate_weights = !given.no_weights;
  if (given.input.synthetic) options.notes.push_back("weights are drawn: no load of experts is aimed at");
  const recording::RecordResult r =
      recording::record_compressed(model, *weights.shape, *weights.tensors, requests, options, given.picks);
  if (given.json) return print_json(r, given.record.output, evaluation);
  print(r, given.record.output);
  if (evaluation) print_text("\n{}", recording::evaluation_text(*evaluation));
}

void record(Given given) {
  const numerics::UseProducts products(products_of(given.input));
  check_different({{"the trace", given.record.output}, {"the weights", given.folder}});
  if (!given.limits.dry_run) routing::make_way_for_trace(given.record.output);
  const recording::EvaluateOptions options = evaluate_options(given.judge, given.input);
  const std::vector<recording::RecordRequest> requests = requests_of(given.input);
  const spec::Model model = model_of(given.input);
  double tokens = 0;
  for (const recording::RecordRequest& r : requests) tokens += double(r.tokens.size());
  if (!runs::affordable(
          runs::recording_estimate(model, given.input.synthetic, tokens, double(requests.size()), given.record.decode),
          "moesim record", limits_of(given.limits)))
    return;
  recording::check_requests(model, requests, given.record.decode);
  if (model.attention.compressed) return record_compressed(given, model, requests, options);
  if (!given.picks.empty())
    throw ConfigError("--picks",
                      fmt::format("writes what DeepSeek-V4's indexers pick; {} has other layers", model.name));
  const std::unique_ptr<numerics::Weights> weights = weights_of(given.input, model);
  if (!given.folder.empty()) numerics::export_checkpoint(model, *weights, given.folder);
  std::optional<recording::Evaluation> evaluation;
  if (given.losses || options.compare || options.compare_gate) {
    evaluation = recording::evaluate(model, *weights, requests, options);
    if (const std::string note = recording::acceptance_note(*evaluation); !note.empty())
      given.record.notes.push_back(note);
  }
  stop_if_interrupted();
  given.record.source = "moesim record, " + source_of(given.input);
  if (options.gate != "published") given.record.source += ", gate " + options.gate;
  const std::unique_ptr<numerics::Gate> gate = numerics::gate_from(options.gate, "--gate");
  given.record.gate_weights = !given.no_weights;
  numerics::Forward forward(model, *weights,
                            {.arithmetic = &numerics::arithmetic_of(options.precision), .gate = gate.get()});
  const recording::RecordResult r = recording::record_routing(forward, requests, given.record);
  if (given.json) return print_json(r, given.record.output, evaluation);
  print(r, given.record.output);
  if (evaluation) print_text("\n{}", recording::evaluation_text(*evaluation));
}
}  // namespace

void add_record(CLI::App& app, int&) {
  auto given = std::make_shared<Given>();
  CLI::App* verb = app.add_subcommand("record", "run text through a model and record which experts each token chose");
  add_model_input(*verb, given->input);
  verb->add_option("--decode", given->record.decode, "continue each request greedily by so many tokens")
      ->check(whole_number(0, kMostCount));
  add_output(*verb, "-o,--output", given->record.output,
             "trace to create; it has no default: no scenario gives it a name")
      ->required();
  verb->add_flag("--mtp", given->record.mtp, "run and record the multi-token-prediction modules too");
  add_output(*verb, "--picks", given->picks, "also write the entries that each token's indexers pick, as JSON lines");
  verb->add_flag("--no-gate-weights", given->no_weights, "store the choices without their weights");
  add_judgement(*verb, given->judge);
  verb->add_flag("--losses", given->losses, "report losses of the prompts, as moesim loss does");
  add_output(*verb, "--export", given->folder, "also create a Hugging Face folder of the weights, in FP32");
  add_limits(*verb, given->limits);
  verb->add_flag("--json", given->json, "print one JSON object");
  verb->callback([given] {
    check_model_input(given->input, "record");
    record(*given);
  });
}
}  // namespace moesim::cli
