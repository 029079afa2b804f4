#include "recording/evaluate.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/interrupt.h"
#include "core/log.h"
#include "numerics/pass/gates.h"
#include "recording/balance_meter.h"
#include "recording/precision_change.h"
#include "recording/prediction.h"

namespace moesim::recording {
namespace {
/// The rows of one pass: parts of texts, one after the other.
struct Pass {
  struct Part {
    int text = 0, first_row = 0, rows = 0, first_position = 0;
    bool last = false;  // the text ends here
  };
  std::vector<Part> parts;
  std::vector<int> tokens, text_of, position_of;  // by row
};

/// One precision and gate on its way through the texts.
class Reader {
 public:
  Reader(const spec::Model& model, numerics::Weights& weights, const std::vector<RecordRequest>& texts,
         numerics::Precision precision, const std::string& gate, int threads)
      : model_(model),
        texts_(texts),
        meter_(model.layers, numerics::gate_from(gate, "--gate")),
        forward_(model, weights,
                 {.threads = threads, .arithmetic = &numerics::arithmetic_of(precision), .gate = &meter_}),
        states_(texts.size()) {
    losses_.precision = precision;
    losses_.gate = gate;
    losses_.drafts.resize(std::size_t(model.mtp_layers));
  }

  /// Hidden states of the pass; choices() are its routing.
  const numerics::Matrix& read(const Pass& pass) {
    segments_.clear();
    for (const Pass::Part& p : pass.parts) {
      State& s = states_[std::size_t(p.text)];
      if (s.cache.layers.empty()) {
        s.cache = forward_.new_cache();
        s.drafts.resize(losses_.drafts.size());
      }
      segments_.push_back({&s.cache, p.first_row, p.rows});
    }
    choices_.clear();
    meter_.begin_pass(pass.text_of);
    hidden_ =
        forward_.run(pass.tokens, segments_, [this](int layer, const numerics::Routing& r) { choices_[layer] = r; });
    return hidden_;
  }
  const std::map<int, numerics::Routing>& choices() const { return choices_; }
  numerics::Matrix logits(int first, int count) { return forward_.logits(hidden_.view(first, count)); }

  /// Adds the losses of some rows of the main head.
  void add_main(const Pass& pass, int first, const numerics::Matrix& logits) {
    const std::vector<Prediction> predictions = predict_rows(pass, first, logits, 1);
    for (int r = 0; r < logits.rows; ++r) {
      const int row = first + r;
      states_[text(pass, row)].best.push_back(predictions[std::size_t(r)].best);
      if (target(pass, row, 1) < 0) continue;
      losses_.next_token += predictions[std::size_t(r)].loss;
      ++losses_.predicted;
    }
  }

  /// Runs the MTP modules over the pass that read() ran.
  void draft(const Pass& pass) {
    numerics::Matrix before = hidden_;
    for (int depth = 0; depth < model_.mtp_layers; ++depth) {
      std::vector<int> next(pass.tokens.size());
      for (std::size_t row = 0; row < next.size(); ++row) next[row] = std::max(0, target(pass, int(row), depth + 1));
      before = forward_.run_mtp(depth, before.view(), next, segments_);
      DraftQuality& quality = losses_.drafts[std::size_t(depth)];
      for (int first = 0; first < before.rows; first += kLogitRows) {
        const numerics::Matrix logits =
            forward_.mtp_logits(depth, before.view(first, std::min(kLogitRows, before.rows - first)));
        const std::vector<Prediction> predictions = predict_rows(pass, first, logits, depth + 2);
        for (int r = 0; r < logits.rows; ++r) {
          const int row = first + r;
          states_[text(pass, row)].drafts[std::size_t(depth)].push_back(predictions[std::size_t(r)].best);
          if (target(pass, row, depth + 2) < 0) continue;
          quality.loss += predictions[std::size_t(r)].loss;
          ++quality.predicted;
        }
      }
    }
  }

  /// Forgets the texts that end in this pass once their drafts are judged.
  void finish(const Pass& pass) {
    for (const Pass::Part& p : pass.parts) {
      if (!p.last) continue;
      meter_.finish(p.text);
      judge(states_[std::size_t(p.text)]);
      states_[std::size_t(p.text)] = {};
    }
  }

  Losses result(double mtp_weight) {
    const auto mean = [](double sum, std::int64_t n) { return n == 0 ? 0 : sum / double(n); };
    losses_.next_token = mean(losses_.next_token, losses_.predicted);
    double sum = 0;
    for (std::size_t d = 0; d < losses_.drafts.size(); ++d) {
      DraftQuality& q = losses_.drafts[d];
      sum += q.loss = mean(q.loss, q.predicted);
      q.acceptance = mean(double(accepted_[d]), tried_[d]);
    }
    losses_.total = losses_.next_token + (sum == 0 ? 0 : mtp_weight * sum / double(losses_.drafts.size()));
    losses_.balance = meter_.balance();
    return losses_;
  }

 private:
  struct State {
    numerics::KvCache cache;
    std::vector<int> best;                 // the main head's choice by position
    std::vector<std::vector<int>> drafts;  // each module's, by position
  };
  static std::size_t text(const Pass& pass, int row) { return std::size_t(pass.text_of[std::size_t(row)]); }
  /// The token `ahead` of a row in its text, -1 beyond the end.
  int target(const Pass& pass, int row, int ahead) const {
    const auto& tokens = texts_[text(pass, row)].tokens;
    const auto at = std::size_t(pass.position_of[std::size_t(row)] + ahead);
    return at < tokens.size() ? tokens[at] : -1;
  }
  std::vector<Prediction> predict_rows(const Pass& pass, int first, const numerics::Matrix& logits, int ahead) {
    std::vector<Prediction> out(static_cast<std::size_t>(logits.rows));
    forward_.threads().each(logits.rows, [&](int r, int) {
      out[std::size_t(r)] = predict(logits.row(r), logits.columns, target(pass, first + r, ahead));
    });
    return out;
  }
  /// A draft is accepted if it is what the main head says once it has read the token before it.
  void judge(const State& s) {
    tried_.resize(s.drafts.size());
    accepted_.resize(s.drafts.size());
    const std::size_t n = s.best.size();
    for (std::size_t i = 0; i + s.drafts.size() < n; ++i)
      for (std::size_t d = 0; d < s.drafts.size(); ++d) {
        ++tried_[d];
        if (s.drafts[d][i] != s.best[i + d + 1]) break;
        ++accepted_[d];
      }
  }

  const spec::Model& model_;
  const std::vector<RecordRequest>& texts_;
  BalanceMeter meter_;
  numerics::Forward forward_;
  std::vector<State> states_;
  std::vector<numerics::Segment> segments_;
  numerics::Matrix hidden_;
  std::map<int, numerics::Routing> choices_;
  Losses losses_;
  std::vector<std::int64_t> tried_ = std::vector<std::int64_t>(std::size_t(model_.mtp_layers));
  std::vector<std::int64_t> accepted_ = tried_;
};

/// Cuts the texts into passes of at most `batch` tokens.
class PassCutter {
 public:
  PassCutter(const std::vector<RecordRequest>& texts, int batch) : texts_(texts), batch_(batch) {}
  bool next(Pass& pass) {
    pass = {};
    while (at_ < texts_.size() && int(pass.tokens.size()) < batch_) {
      const std::vector<int>& tokens = texts_[at_].tokens;
      const int count = std::min(int(tokens.size()) - done_, batch_ - int(pass.tokens.size()));
      pass.parts.push_back({int(at_), int(pass.tokens.size()), count, done_, done_ + count == int(tokens.size())});
      for (int i = 0; i < count; ++i) {
        pass.tokens.push_back(tokens[std::size_t(done_ + i)]);
        pass.text_of.push_back(int(at_));
        pass.position_of.push_back(done_ + i);
      }
      done_ += count;
      if (done_ < int(tokens.size())) break;
      ++at_, done_ = 0;
    }
    return !pass.tokens.empty();
  }

 private:
  const std::vector<RecordRequest>& texts_;
  int batch_;
  std::size_t at_ = 0;
  int done_ = 0;
};
}  // namespace

Evaluation evaluate(const spec::Model& model, numerics::Weights& weights, const std::vector<RecordRequest>& requests,
                    const EvaluateOptions& options) {
  check_requests(model, requests, 0);
  std::uint64_t total = 0;
  bool any = false;
  for (const RecordRequest& r : requests) total += r.tokens.size(), any |= r.tokens.size() > 1;
  if (!any) throw ConfigError("no text has two tokens, so there is nothing to predict");

  std::vector<std::unique_ptr<Reader>> readers;
  const auto add = [&](numerics::Precision precision, const std::string& gate) {
    readers.push_back(std::make_unique<Reader>(model, weights, requests, precision, gate, options.threads));
  };
  add(options.precision, options.gate);
  std::optional<PrecisionDifference> difference;
  if (options.compare || options.compare_gate) {
    add(options.compare.value_or(options.precision), options.compare_gate.value_or(options.gate));
    difference.emplace();
  }
  Evaluation out{model.name, 0, 0, options.mtp_weight, {}, {}};
  Progress progress("evaluating", total, "tokens");
  PassCutter passes(requests, options.batch_tokens);
  for (Pass pass; passes.next(pass);) {
    stop_if_interrupted("nothing was evaluated to the end");
    for (const auto& reader : readers) reader->read(pass);
    if (difference) difference->add_choices(readers[1]->choices(), readers[0]->choices());
    const int rows = int(pass.tokens.size());
    for (int first = 0; first < rows; first += kLogitRows) {
      std::vector<numerics::Matrix> logits;
      for (const auto& reader : readers) {
        logits.push_back(reader->logits(first, std::min(kLogitRows, rows - first)));
        reader->add_main(pass, first, logits.back());
      }
      if (difference) difference->add_logits(logits[1], logits[0]);
    }
    for (const auto& reader : readers) {
      reader->draft(pass);
      reader->finish(pass);
    }
    out.tokens += rows;
    for (const Pass::Part& p : pass.parts) out.requests += p.last ? 1 : 0;
    progress.at(std::uint64_t(out.tokens));
  }
  for (const auto& reader : readers) out.losses.push_back(reader->result(options.mtp_weight));
  if (difference) out.change = difference->result();
  return out;
}
}  // namespace moesim::recording
