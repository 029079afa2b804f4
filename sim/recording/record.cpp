#include "recording/record.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/files.h"
#include "core/interrupt.h"
#include "core/log.h"
#include "core/utf8.h"
#include "routing/trace.h"

namespace moesim::recording {
namespace {

/// One prompt on its way through the model.
struct Running {
  const RecordRequest* request = nullptr;
  int id = 0, domain = 0;
  numerics::KvCache cache;
  int done = 0;   // tokens of the prompt that have passed
  int next = -1;  // the token after the last one, once known
};

class Recorder {
 public:
  Recorder(numerics::Forward& forward, const std::vector<RecordRequest>& requests, const RecordOptions& options)
      : forward_(forward),
        model_(forward.model()),
        options_(options),
        writer_(options.output, header(requests), routing::TraceWriter::Partial::kept) {
    for (std::size_t i = 0; i < requests.size(); ++i) {
      const auto& domains = writer_.header().domains;
      const auto domain = std::ranges::find(domains, requests[i].domain) - domains.begin();
      running_.push_back({&requests[i], int(i), int(domain), {}, 0, -1});
      total_ += requests[i].tokens.size() + std::size_t(options.decode);
    }
  }

  RecordResult run() {
    Progress progress("recording", total_, "tokens");
    try {
      for (std::size_t first = 0; first < running_.size();) first = prefill(first, progress);
      for (int step = 0; step < options_.decode; ++step) decode(progress);
    } catch (const Interrupted&) {  // what whole passes recorded is kept
    }
    result_.requests = int(running_.size());
    result_.moe_layers = int(writer_.header().layers.size());
    result_.complete = !interrupted();
    writer_.finish(result_.complete);
    return result_;
  }

 private:
  routing::TraceHeader header(const std::vector<RecordRequest>& requests) const {
    routing::TraceHeader h;
    h.model = as_utf8(model_.name);
    h.source = as_utf8(options_.source);
    h.hidden_layers = model_.layers;
    h.layers = model_.moe_layers();
    if (options_.mtp)
      for (int depth = 0; depth < model_.mtp_layers; ++depth) h.layers.push_back(model_.layers + depth);
    h.experts = model_.moe->experts;
    h.top_k = model_.moe->top_k;
    h.groups = model_.moe->groups;
    h.groups_used = model_.moe->groups_used;
    h.weights = options_.gate_weights;
    h.notes = options_.notes;
    h.notes.push_back(numerics::products_note());
    h.domains.clear();
    for (const RecordRequest& r : requests)
      if (std::ranges::find(h.domains, r.domain) == h.domains.end()) h.domains.push_back(r.domain);
    if (h.domains.size() > 255)
      throw ConfigError(fmt::format("{} kinds of text, at most 255 fit a trace", h.domains.size()));
    return h;
  }

  /// One pass over as many prompts, from `first` on, as fit the batch; returns the first prompt not finished.
  std::size_t prefill(std::size_t first, Progress& progress) {
    std::vector<int> tokens;
    std::vector<numerics::Segment> segments;
    std::vector<routing::TraceToken> rows;
    std::vector<Running*> members;
    std::size_t at = first;
    for (; at < running_.size() && int(tokens.size()) < options_.batch_tokens; ++at) {
      Running& r = running_[at];
      if (r.cache.layers.empty()) r.cache = forward_.new_cache();
      const auto& prompt = r.request->tokens;
      const int count = std::min(int(prompt.size()) - r.done, options_.batch_tokens - int(tokens.size()));
      segments.push_back({&r.cache, int(tokens.size()), count});
      members.push_back(&r);
      for (int i = 0; i < count; ++i) {
        tokens.push_back(prompt[std::size_t(r.done + i)]);
        rows.push_back(row(r, r.done + i, tokens.back(), routing::TracePhase::prefill));
      }
      r.done += count;
      if (r.done < int(prompt.size())) break;
    }
    pass(tokens, segments, members, rows);
    result_.prefill_tokens += std::int64_t(tokens.size());
    progress.at(std::uint64_t(result_.prefill_tokens));
    if (options_.decode == 0)
      for (std::size_t i = first; i < at; ++i) running_[i].cache = {};
    return at;
  }

  /// Every request's next token in one pass.
  void decode(Progress& progress) {
    std::vector<int> tokens;
    std::vector<numerics::Segment> segments;
    std::vector<routing::TraceToken> rows;
    std::vector<Running*> members;
    for (Running& r : running_) {
      segments.push_back({&r.cache, int(tokens.size()), 1});
      members.push_back(&r);
      tokens.push_back(r.next);
      rows.push_back(row(r, r.cache.length(), r.next, routing::TracePhase::decode));
    }
    pass(tokens, segments, members, rows);
    result_.decode_tokens += std::int64_t(tokens.size());
    progress.at(std::uint64_t(result_.prefill_tokens + result_.decode_tokens));
  }

  routing::TraceToken row(const Running& r, int position, int token, routing::TracePhase phase) const {
    return {std::int32_t(result_.passes), r.id, position, token, phase, std::uint8_t(r.domain)};
  }

  void pass(const std::vector<int>& tokens, const std::vector<numerics::Segment>& segments,
            const std::vector<Running*>& members, const std::vector<routing::TraceToken>& rows) {
    experts_.clear();
    weights_.clear();
    const auto observe = [this](int, const numerics::Routing& r) {
      stop_if_interrupted();
      experts_.insert(experts_.end(), r.experts.begin(), r.experts.end());
      if (options_.gate_weights) weights_.insert(weights_.end(), r.weights.begin(), r.weights.end());
    };
    const numerics::Matrix hidden = forward_.run(tokens, segments, observe);
    if (options_.decode > 0 || options_.mtp) choose_next(hidden, segments, members);
    if (options_.mtp) run_mtp(tokens, segments, members, hidden, observe);
    writer_.add(rows, experts_, weights_);
    ++result_.passes;
    stop_if_interrupted();
  }

  /// The likeliest token after each prompt that has been read whole; equal logits by lower id.
  void choose_next(const numerics::Matrix& hidden, const std::vector<numerics::Segment>& segments,
                   const std::vector<Running*>& members) {
    numerics::Matrix last(int(segments.size()), hidden.columns);
    for (std::size_t i = 0; i < segments.size(); ++i)
      std::copy_n(hidden.row(segments[i].first_row + segments[i].rows - 1), hidden.columns, last.row(int(i)));
    const numerics::Matrix logits = forward_.logits(last.view());
    for (std::size_t i = 0; i < members.size(); ++i) {
      const float* scores = logits.row(int(i));
      members[i]->next = int(std::max_element(scores, scores + logits.columns) - scores);
    }
  }

  void run_mtp(const std::vector<int>& tokens, const std::vector<numerics::Segment>& segments,
               const std::vector<Running*>& members, const numerics::Matrix& hidden,
               const numerics::ObserveRouting& observe) {
    std::vector<int> shifted = tokens;
    numerics::Matrix before = hidden;
    for (int depth = 0; depth < model_.mtp_layers; ++depth) {
      for (std::size_t i = 0; i < segments.size(); ++i) {
        const numerics::Segment& s = segments[i];
        const auto begin = shifted.begin() + s.first_row;
        std::rotate(begin, begin + 1, begin + s.rows);
        // what follows the pass: the rest of the prompt if there is one, else the model's own choice
        const auto& prompt = members[i]->request->tokens;
        const std::size_t after = std::size_t(members[i]->done) + std::size_t(depth);
        *(begin + s.rows - 1) = after < prompt.size() ? prompt[after] : members[i]->next;
      }
      before = forward_.run_mtp(depth, before.view(), shifted, segments, observe);
    }
  }

  numerics::Forward& forward_;
  const spec::Model& model_;
  const RecordOptions& options_;
  routing::TraceWriter writer_;
  std::vector<Running> running_;
  std::uint64_t total_ = 0;
  RecordResult result_;
  std::vector<std::int16_t> experts_;
  std::vector<float> weights_;
};
}  // namespace

void check_requests(const spec::Model& model, const std::vector<RecordRequest>& requests, int decode) {
  for (const RecordRequest& r : requests) {
    for (std::size_t i = 0; i < r.tokens.size(); ++i)
      if (r.tokens[i] < 0 || r.tokens[i] >= model.vocabulary)
        throw ConfigError(fmt::format("{}: token {} has id {}, but {} has ids 0 to {}", r.source, i, r.tokens[i],
                                      model.name, model.vocabulary - 1));
    const std::int64_t length = std::int64_t(r.tokens.size()) + decode;
    if (model.max_positions > 0 && length > model.max_positions)
      throw ConfigError(fmt::format("{}: {} tokens, but {} has {} positions; shorten it with --limit", r.source, length,
                                    model.name, model.max_positions));
  }
}

RecordResult record_routing(numerics::Forward& forward, const std::vector<RecordRequest>& requests,
                            const RecordOptions& options) {
  const spec::Model& model = forward.model();
  if (!model.moe) throw ConfigError(fmt::format("{}: has no experts, so there is no routing to record", model.name));
  check_requests(model, requests, options.decode);
  routing::make_way_for_trace(options.output);
  return Recorder(forward, requests, options).run();
}
}  // namespace moesim::recording
