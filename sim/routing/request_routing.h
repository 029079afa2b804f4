// What each recorded request's own tokens chose, position by position, to serve the request again with its routing.
#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "routing/trace.h"

namespace moesim::routing {

/// The requests of a trace, numbered from 0 in the order in which they begin.  A request's prompt has as many tokens as
/// its last one's position says, recorded or not; what was decoded follows it.  Of a position recorded twice the first
/// recording counts.  Not for use by two threads at once.
class RequestRouting {
 public:
  struct Request {
    int prompt = 1;           ///< tokens, recorded or not
    int decoded = 0;          ///< passes of one token after that
    std::uint8_t domain = 0;  ///< of TraceHeader::domains
  };
  /// Throws ConfigError if the trace does not say which request and position a token has, or where prompts end.
  explicit RequestRouting(const std::string& file);

  const std::string& file() const { return trace_.file(); }
  const TraceHeader& header() const { return trace_.header(); }
  const std::vector<Request>& requests() const { return requests_; }
  /// Whether some token is of this phase.
  bool has(TracePhase phase) const { return tokens_of_[std::size_t(phase)] > 0; }
  /// In the model's layers below `layers` tokens have the experts that their ids have in a table, whatever was recorded
  /// there.  ids: of the vocabulary.  table: of a layer, (ids, top_k), read when first asked for.  Throws ConfigError
  /// if the trace lacks the id of a token, or has one outside the vocabulary.
  void look_up(int layers, int ids, std::function<std::vector<std::int16_t>(int layer)> table) const;
  int looked_up() const { return looked_up_; }  ///< layers below this number
  /// Bytes that a trace's choices take in memory once all layers have been asked for.
  static double bytes(const Trace& trace);

  /// Adds to `out` (experts) the rows of the request's tokens at positions [first, first + count) in the model's layer;
  /// layers behind the last recorded one route as that one does.  A position that was not recorded, or lies behind the
  /// request's end, counts as the mean of what was recorded of its phase (of the other, where nothing was).
  /// O(experts) at most, whatever the count.  Throws ConfigError if the trace lacks the layer.
  void add_rows(int layer, int request, int first, int count, std::span<double> out) const;

 private:
  struct Layer {
    std::vector<std::int16_t> ids;       // (recorded tokens, top_k), by request, prompt before answer, position
    std::vector<std::uint32_t> running;  // (tokens / kIndexStep + 1, experts)
  };
  struct Span {
    std::int64_t first = 0, end = 0;
    std::int64_t size() const { return end - first; }
  };
  struct Place {
    Span prompt, answer;  // among the recorded tokens
  };
  const Layer& layer(int model_layer) const;
  std::vector<std::int16_t> recorded_ids(int ordinal) const;
  std::vector<std::int16_t> looked_up_ids(int model_layer) const;
  void add(const Layer& layer, const Span& tokens, double factor, std::span<double> out) const;
  void add_part(const Layer& layer, const Span& recorded, const Span& wanted, std::int64_t unrecorded,
                std::span<double> out) const;

  Trace trace_;
  std::vector<Request> requests_;
  std::vector<Place> places_;
  std::vector<std::int32_t> position_;  // of each recorded token
  std::vector<std::int64_t> order_;     // its number in the trace
  std::int64_t tokens_of_[2] = {};      // by phase
  mutable std::vector<Layer> layers_;   // by ordinal; read when first asked for
  mutable std::vector<std::int16_t> buffer_;
  mutable int looked_up_ = 0;
  mutable std::function<std::vector<std::int16_t>(int)> table_;
  mutable std::vector<std::int32_t> token_;      // of each recorded token: its id, once that is asked for
  mutable std::vector<Layer> looked_up_layers_;  // by the model's number; read when first asked for
};
}  // namespace moesim::routing
