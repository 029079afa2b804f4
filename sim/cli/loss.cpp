// moesim loss: how well a model predicts a text, and what another precision changes.
#include <CLI/CLI.hpp>

#include <fmt/format.h>

#include "cli/command.h"
#include "cli/model_input.h"
#include "core/log.h"
#include "recording/evaluate.h"

namespace moesim::cli {
namespace {
struct Given {
  ModelInput input;
  Judgement judge;
  bool json = false;
};

void loss(const Given& given) {
  const numerics::UseProducts products(products_of(given.input));
  const recording::EvaluateOptions options = evaluate_options(given.judge, given.input);
  const std::vector<recording::RecordRequest> requests = requests_of(given.input);
  const spec::Model model = model_of(given.input);
  recording::check_requests(model, requests, 0);
  if (model.attention.compressed) {
    check_compressed(given.judge, given.input, model);
    const CompressedWeights weights = compressed_weights_of(given.input, model);
    const recording::Evaluation e =
        recording::evaluate_compressed(model, *weights.shape, *weights.tensors, requests, options);
    return print_text("{}", given.json ? recording::evaluation_json(e) : recording::evaluation_text(e));
  }
  const std::unique_ptr<numerics::Weights> weights = weights_of(given.input, model);
  const recording::Evaluation e = recording::evaluate(model, *weights, requests, options);
  print_text("{}", given.json ? recording::evaluation_json(e) : recording::evaluation_text(e));
}
}  // namespace

void add_loss(CLI::App& app, int&) {
  auto given = std::make_shared<Given>();
  CLI::App* verb =
      app.add_subcommand("loss",
                         "how well a model predicts a text, how evenly its gates spread it, and what another "
                         "precision changes");
  add_model_input(*verb, given->input);
  add_judgement(*verb, given->judge);
  verb->add_flag("--json", given->json, "print one JSON object");
  verb->callback([given] {
    check_model_input(given->input, "loss");
    loss(*given);
  });
}
}  // namespace moesim::cli
