// Options of the verbs that run a model over text: which model, whose weights, what text, in which precision.
#pragma once
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "numerics/pass/precision.h"
#include "numerics/synthetic/synthetic.h"
#include "recording/evaluate.h"
#include "recording/record.h"

namespace CLI {
class App;
}

namespace moesim::cli {

struct ModelInput {
  std::string model, weights, tokens, tokenizer;
  std::vector<std::string> texts;
  bool synthetic = false;
  double scale = 0;  // 0: a size for laptops
  numerics::SyntheticOptions options;
  std::int64_t limit = 0;
  std::string memory = "8 GiB";
  std::string precision = "fp32", products = "ordered";
};
void add_model_input(CLI::App& verb, ModelInput& input);
/// Throws ConfigError if weights or text are not given; the verb's name begins the message.
void check_model_input(const ModelInput& input, std::string_view verb);

/// Throws ConfigError for a word that is none of them.
numerics::Products products_of(const ModelInput& input);
std::vector<recording::RecordRequest> requests_of(const ModelInput& input);
/// The model in the size that is computed: as it is with a checkpoint, scaled down for synthetic weights.
spec::Model model_of(const ModelInput& input);
/// model: must outlive the weights.
std::unique_ptr<numerics::Weights> weights_of(const ModelInput& input, const spec::Model& model);
/// DeepSeek-V4's weights, whose pass is one of its own.
struct CompressedWeights {
  std::unique_ptr<numerics::CompressedShape> shape;
  std::unique_ptr<numerics::CompressedTensors> tensors;
};
CompressedWeights compressed_weights_of(const ModelInput& input, const spec::Model& model);
/// "synthetic weights, seed 1" or "weights of DIR", and the precision unless it is FP32.
std::string source_of(const ModelInput& input);

/// Options of how the text is judged: who chooses experts, and what precision and gate are held against.
struct Judgement {
  std::string gate = "published", compare, compare_gate;
  double mtp_weight = 0.3;
};
void add_judgement(CLI::App& verb, Judgement& judgement);
/// Throws ConfigError "OPTION: ..." listing the precisions or gates for an unknown one.
recording::EvaluateOptions evaluate_options(const Judgement& judgement, const ModelInput& input);
/// Throws ConfigError for what DeepSeek-V4's pass has not: other gates and precisions than its own.
void check_compressed(const Judgement& judgement, const ModelInput& input, const spec::Model& model);
/// Likewise for any option that is asked for.
void check_compressed(std::initializer_list<std::pair<const char*, bool>> asked, const spec::Model& model);
}  // namespace moesim::cli
