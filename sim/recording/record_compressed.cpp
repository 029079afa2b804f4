// DeepSeek-V4's routing into a trace: hash-routed layers among the others, what its indexers pick into a file beside
// it.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>

#include "core/interrupt.h"
#include "core/log.h"
#include "core/new_file.h"
#include "core/utf8.h"
#include "numerics/compressed/compressed_pass.h"
#include "recording/record.h"
#include "routing/trace.h"

namespace moesim::recording {
namespace {
class CompressedRecorder {
 public:
  CompressedRecorder(const spec::Model& model, const numerics::CompressedShape& shape,
                     const numerics::CompressedTensors& tensors, const std::vector<RecordRequest>& requests,
                     const RecordOptions& options, const std::string& picks)
      : requests_(requests),
        options_(options),
        forward_(shape, tensors),
        writer_(options.output, header(model), routing::TraceWriter::Partial::kept) {
    if (!picks.empty()) picks_.emplace(picks);
  }

  RecordResult run() {
    std::uint64_t total = 0;
    for (const RecordRequest& r : requests_) total += r.tokens.size() + std::size_t(options_.decode);
    Progress progress("recording", total, "tokens");
    try {
      for (std::size_t i = 0; i < requests_.size(); ++i) request(int(i), progress);
    } catch (const Interrupted&) {  // what whole passes recorded is kept
    }
    result_.complete = !interrupted();
    result_.requests = int(requests_.size());
    result_.moe_layers = int(writer_.header().layers.size());
    writer_.finish(result_.complete);
    if (picks_) picks_->keep();
    return result_;
  }

 private:
  routing::TraceHeader header(const spec::Model& model) {
    routing::TraceHeader h;
    h.model = as_utf8(model.name);
    h.source = as_utf8(options_.source);
    h.hidden_layers = model.layers;
    h.layers = model.moe_layers();
    h.experts = model.moe->experts;
    h.top_k = model.moe->top_k;
    h.groups = h.groups_used = 1;
    h.weights = options_.gate_weights;
    h.notes = options_.notes;
    if (model.moe->hash_layers > 0)
      h.notes.push_back(fmt::format("the first {} layers look experts up by token id", model.moe->hash_layers));
    h.notes.push_back(numerics::products_note());
    h.domains.clear();
    for (const RecordRequest& r : requests_)
      if (std::ranges::find(h.domains, r.domain) == h.domains.end()) h.domains.push_back(r.domain);
    if (h.domains.size() > 255)
      throw ConfigError(fmt::format("{} kinds of text, at most 255 fit a trace", h.domains.size()));
    return h;
  }

  void request(int id, Progress& progress) {
    const std::vector<int>& prompt = requests_[std::size_t(id)].tokens;
    numerics::CompressedCache cache = forward_.new_cache();
    numerics::Matrix last;
    for (std::size_t done = 0; done < prompt.size();) {
      const std::size_t count = std::min(prompt.size() - done, std::size_t(options_.batch_tokens));
      last = pass(id, std::span(prompt).subspan(done, count), int(done), routing::TracePhase::prefill, cache);
      done += count;
      result_.prefill_tokens += std::int64_t(count);
      progress.at(std::uint64_t(result_.prefill_tokens + result_.decode_tokens));
    }
    for (int step = 0; step < options_.decode; ++step) {
      const numerics::Matrix logits = forward_.logits({last.row(last.rows - 1), 1, last.columns, last.columns});
      const float* const scores = logits.row(0);
      const int next = int(std::max_element(scores, scores + logits.columns) - scores);
      last = pass(id, std::span(&next, 1), int(prompt.size()) + step, routing::TracePhase::decode, cache);
      ++result_.decode_tokens;
      progress.at(std::uint64_t(result_.prefill_tokens + result_.decode_tokens));
    }
  }

  numerics::Matrix pass(int id, std::span<const int> tokens, int first, routing::TracePhase phase,
                        numerics::CompressedCache& cache) {
    experts_.clear(), weights_.clear();
    std::vector<std::string> lines(picks_ ? tokens.size() : 0);
    numerics::CompressedObserver observe;
    observe.routing = [&](int, const numerics::Routing& r) {
      stop_if_interrupted();
      experts_.insert(experts_.end(), r.experts.begin(), r.experts.end());
      if (options_.gate_weights) weights_.insert(weights_.end(), r.weights.begin(), r.weights.end());
    };
    if (picks_)
      observe.picks = [&](int layer, const std::vector<std::vector<int>>& chosen) {
        for (std::size_t t = 0; t < lines.size(); ++t)
          lines[t] += fmt::format("{}\"{}\":[{}]", lines[t].empty() ? "" : ",", layer, fmt::join(chosen[t], ","));
      };
    numerics::Matrix hidden = forward_.run(tokens, cache, observe);
    const auto& domains = writer_.header().domains;
    const auto domain = std::ranges::find(domains, requests_[std::size_t(id)].domain) - domains.begin();
    std::vector<routing::TraceToken> rows;
    for (std::size_t t = 0; t < tokens.size(); ++t)
      rows.push_back({std::int32_t(result_.passes), id, first + int(t), tokens[t], phase, std::uint8_t(domain)});
    writer_.add(rows, experts_, weights_);
    for (std::size_t t = 0; t < lines.size(); ++t)
      picks_->write(
          fmt::format("{{\"request\":{},\"position\":{},\"layers\":{{{}}}}}\n", id, first + int(t), lines[t]));
    ++result_.passes;
    return hidden;
  }

  const std::vector<RecordRequest>& requests_;
  const RecordOptions& options_;
  numerics::CompressedForward forward_;
  routing::TraceWriter writer_;
  std::optional<NewFile> picks_;
  RecordResult result_;
  std::vector<std::int16_t> experts_;
  std::vector<float> weights_;
};
/// A checkpoint's own config.json says its shape: another model's is refused.
void check_shape(const spec::Model& model, const numerics::CompressedShape& shape) {
  for (const auto& [what, stored, said] : {std::tuple("layers", shape.layers, model.layers),
                                           {"experts", shape.experts, model.moe->experts},
                                           {"experts a token", shape.top_k, model.moe->top_k},
                                           {"rows of the embedding", shape.vocabulary, model.vocabulary},
                                           {"columns", shape.hidden, model.hidden}})
    if (stored != said)
      throw ConfigError::placed(
          fmt::format("{}: the weights have {} {}, {} has {}", shape.name, stored, what, model.name, said));
}
}  // namespace

RecordResult record_compressed(const spec::Model& model, const numerics::CompressedShape& shape,
                               const numerics::CompressedTensors& tensors, const std::vector<RecordRequest>& requests,
                               const RecordOptions& options, const std::string& picks) {
  check_shape(model, shape);
  check_requests(model, requests, options.decode);
  routing::make_way_for_trace(options.output);
  return CompressedRecorder(model, shape, tensors, requests, options, picks).run();
}
}  // namespace moesim::recording
