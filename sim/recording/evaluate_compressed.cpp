// Losses of texts by DeepSeek-V4's pass, one text after the other.
#include <algorithm>

#include "core/interrupt.h"
#include "core/log.h"
#include "numerics/compressed/compressed_pass.h"
#include "recording/evaluate.h"
#include "recording/prediction.h"

namespace moesim::recording {
namespace {
/// Adds the losses of the tokens that follow `tokens`, which stand from `done` on; the last of a text has none.
void add_losses(numerics::CompressedForward& forward, const numerics::Matrix& hidden, const std::vector<int>& text,
                std::size_t done, Losses& losses) {
  for (int first = 0; first < hidden.rows; first += kLogitRows) {
    const numerics::Matrix logits = forward.logits(hidden.view(first, std::min(kLogitRows, hidden.rows - first)));
    for (int r = 0; r < logits.rows; ++r) {
      const std::size_t next = done + std::size_t(first + r) + 1;
      if (next >= text.size()) continue;
      losses.next_token += predict(logits.row(r), logits.columns, text[next]).loss;
      ++losses.predicted;
    }
  }
}
}  // namespace

Evaluation evaluate_compressed(const spec::Model& model, const numerics::CompressedShape& shape,
                               const numerics::CompressedTensors& tensors, const std::vector<RecordRequest>& requests,
                               const EvaluateOptions& options) {
  check_requests(model, requests, 0);
  std::uint64_t total = 0;
  for (const RecordRequest& r : requests) total += r.tokens.size();
  if (std::ranges::none_of(requests, [](const RecordRequest& r) { return r.tokens.size() > 1; }))
    throw ConfigError("no text has two tokens, so there is nothing to predict");
  numerics::CompressedForward forward(shape, tensors, options.threads);
  Evaluation out{model.name, 0, 0, options.mtp_weight, {Losses{}}, {}};
  Losses& losses = out.losses.front();
  Progress progress("evaluating", total, "tokens");
  for (const RecordRequest& r : requests) {
    numerics::CompressedCache cache = forward.new_cache();
    for (std::size_t done = 0; done < r.tokens.size();) {
      stop_if_interrupted("nothing was evaluated to the end");
      const std::size_t count = std::min(r.tokens.size() - done, std::size_t(options.batch_tokens));
      const numerics::Matrix hidden = forward.run(std::span(r.tokens).subspan(done, count), cache);
      add_losses(forward, hidden, r.tokens, done, losses);
      done += count;
      out.tokens += std::int64_t(count);
      progress.at(std::uint64_t(out.tokens));
    }
    ++out.requests;
  }
  losses.next_token /= double(losses.predicted);
  losses.total = losses.next_token;
  return out;
}
}  // namespace moesim::recording
