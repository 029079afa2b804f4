// How well a model predicts a text, how evenly its gates spread it, and what another precision changes.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "numerics/pass/precision.h"
#include "recording/record.h"

namespace moesim::recording {

struct EvaluateOptions {
  numerics::Precision precision = numerics::Precision::fp32;
  std::string gate = "published";              // who chooses, as gate_from() reads it; MTP modules too
  std::optional<numerics::Precision> compare;  // the reference that `precision` is held against, or
  std::optional<std::string> compare_gate;     // the gate that `gate` is held against; the other stays as it is
  double mtp_weight = 0.3;                     // lambda; DeepSeek-V3: 0.3, then 0.1 for the last third of training
  int batch_tokens = 2048;                     // most tokens of a pass; longer texts take several
  int threads = 0;                             // 0: one a core
};

/// Balance of one MoE layer: sum over experts of f * P, f the share of choices times experts, P the mean normalised
/// score; 1 if either is even, more if loads and scores lean to the same experts.  Not multiplied by alpha.
/// Source: DeepSeek-V3 technical report, section 2.1.2, equations 17 to 20; section 4.5.3 for the batch.
struct LayerBalance {
  int layer = 0;
  double sequence = 0;  // of each text, their mean
  double batch = 0;     // of all texts together
  double hottest = 0;   // load of the hottest expert over the mean, all texts
  double dropped = 0;   // share of choices that no expert took
};
/// Module `depth` of multi-token prediction (0 is the first) predicts the token depth + 2 further on.
struct DraftQuality {
  std::int64_t predicted = 0;
  double loss = 0;        // mean, nats
  double acceptance = 0;  // share of drafts that are the main head's own choice where all shallower drafts are
};
struct Losses {
  numerics::Precision precision = numerics::Precision::fp32;
  std::string gate = "published";
  std::int64_t predicted = 0;
  double next_token = 0;             // mean over predicted tokens, nats
  std::vector<DraftQuality> drafts;  // one a module
  double total = 0;                  // next_token + lambda / modules * sum of the drafts' losses; section 2.2
  std::vector<LayerBalance> balance;
};
struct LayerChange {
  int layer = 0;
  std::int64_t experts = 0;  // tokens with another set of experts
  std::int64_t order = 0;    // tokens with the same set, ranked otherwise
};
/// What changes from the reference to the other precision or gate; both read the same texts, whatever they would say
/// next.
struct PrecisionChange {
  std::vector<LayerChange> layers;
  std::int64_t tokens_touched = 0;  // another set of experts in any layer
  double largest_logit = 0, mean_logit = 0;
  std::int64_t same_best = 0;  // tokens after which the likeliest next one is the same
};
struct Evaluation {
  std::string model;
  std::int64_t tokens = 0;
  int requests = 0;
  double mtp_weight = 0.3;
  std::vector<Losses> losses;  // as asked, then of the reference
  std::optional<PrecisionChange> change;
};

/// Runs all texts, reading each as it is.  Throws ConfigError as record_routing does for texts, and if no text has two
/// tokens.  Stops early with what it has if interrupted.
Evaluation evaluate(const spec::Model& model, numerics::Weights& weights, const std::vector<RecordRequest>& requests,
                    const EvaluateOptions& options);

/// The same by DeepSeek-V4's pass, in FP32 and with its own gate: losses of the next tokens alone.
Evaluation evaluate_compressed(const spec::Model& model, const numerics::CompressedShape& shape,
                               const numerics::CompressedTensors& tensors, const std::vector<RecordRequest>& requests,
                               const EvaluateOptions& options);

/// Tables for people.
std::string evaluation_text(const Evaluation& evaluation);
/// One JSON object.
std::string evaluation_json(const Evaluation& evaluation);
/// One sentence a trace can carry, with the drafts' acceptance; "" for a model without MTP.
std::string acceptance_note(const Evaluation& evaluation);
}  // namespace moesim::recording
