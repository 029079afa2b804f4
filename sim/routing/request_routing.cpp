#include "routing/request_routing.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>

#include "core/check.h"

namespace moesim::routing {
namespace {
constexpr std::int64_t kCountStep = 256;  // tokens between running counts
}  // namespace

RequestRouting::RequestRouting(const std::string& file) : trace_(file) {
  if (!trace_.header().requests)
    throw ConfigError(fmt::format("{}: the trace does not say which request a token belongs to", file));
  if (!trace_.header().phases) throw ConfigError(fmt::format("{}: the trace does not say where prompts end", file));
  struct Seen {
    std::int32_t request, position;
    bool decoded;
    std::int64_t token;
  };
  std::vector<Seen> seen;
  std::map<std::int32_t, std::int32_t> number;
  std::vector<int> prompt_end, first_decoded;
  std::vector<TraceToken> tokens;
  for (std::int64_t first = 0; first < trace_.tokens(); first += kTokensAtOnce) {
    trace_.read_tokens(first, std::min(kTokensAtOnce, trace_.tokens() - first), tokens);
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      const TraceToken& t = tokens[i];
      if (t.request < 0 || t.position < 0)
        throw ConfigError(fmt::format("{}: token {} has no request or position", file, first + std::int64_t(i)));
      const auto [at, fresh] = number.try_emplace(t.request, std::int32_t(requests_.size()));
      if (fresh) {
        requests_.push_back({.domain = t.domain});
        prompt_end.push_back(0);
        first_decoded.push_back(INT32_MAX);
      }
      const auto r = std::size_t(at->second);
      const bool decoded = t.phase == TracePhase::decode;
      if (decoded)
        first_decoded[r] = std::min(first_decoded[r], t.position);
      else
        prompt_end[r] = std::max(prompt_end[r], t.position + 1);
      seen.push_back({at->second, t.position, decoded, first + std::int64_t(i)});
    }
  }
  std::ranges::sort(seen, {}, [](const Seen& s) { return std::tuple(s.request, s.decoded, s.position, s.token); });
  const auto again =
      std::ranges::unique(seen, {}, [](const Seen& s) { return std::tuple(s.request, s.decoded, s.position); });
  seen.erase(again.begin(), again.end());
  places_.resize(requests_.size());
  for (const Seen& s : seen) {
    Place& place = places_[std::size_t(s.request)];
    Span& span = s.decoded ? place.answer : place.prompt;
    const auto at = std::int64_t(order_.size());
    if (span.size() == 0) span.first = at;
    span.end = at + 1;
    order_.push_back(s.token);
    position_.push_back(s.position);
    ++tokens_of_[s.decoded];
  }
  for (std::size_t r = 0; r < requests_.size(); ++r) {
    requests_[r].prompt = std::max(1, prompt_end[r] > 0 ? prompt_end[r] : first_decoded[r]);
    requests_[r].decoded = int(places_[r].answer.size());
  }
  layers_.resize(std::size_t(trace_.layers()));
}

double RequestRouting::bytes(const Trace& trace) {
  const TraceHeader& h = trace.header();
  constexpr double kIndex = sizeof(std::int64_t) + sizeof(std::int32_t);  // order_ and position_
  const double layer = 2.0 * h.top_k + 4.0 * h.experts / double(kCountStep);
  return double(trace.tokens()) * (kIndex + double(trace.layers()) * layer);
}

void RequestRouting::look_up(int layers, int ids, std::function<std::vector<std::int16_t>(int)> table) const {
  std::vector<std::int64_t> place(std::size_t(trace_.tokens()), -1);
  for (std::size_t i = 0; i < order_.size(); ++i) place[std::size_t(order_[i])] = std::int64_t(i);
  token_.assign(order_.size(), -1);
  std::vector<TraceToken> tokens;
  for (std::int64_t first = 0; first < trace_.tokens(); first += kTokensAtOnce) {
    trace_.read_tokens(first, std::min(kTokensAtOnce, trace_.tokens() - first), tokens);
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      const std::int32_t id = trace_.header().token_ids ? tokens[i].token : -1;
      if (id < 0)
        throw ConfigError(fmt::format("{}: token {} has no id, by which its experts could be looked up", file(),
                                      first + std::int64_t(i)));
      if (id >= ids)
        throw ConfigError(
            fmt::format("{}: token {} has the id {}, but ids end at {}", file(), first + std::int64_t(i), id, ids - 1));
      if (const std::int64_t to = place[std::size_t(first) + i]; to >= 0) token_[std::size_t(to)] = id;
    }
  }
  looked_up_ = layers;
  table_ = std::move(table);
  looked_up_layers_.clear();
}

/// The experts of all recorded tokens in the order of order_, (tokens, top_k).
std::vector<std::int16_t> RequestRouting::recorded_ids(int ordinal) const {
  const auto k = std::size_t(trace_.header().top_k);
  std::vector<std::int64_t> place(std::size_t(trace_.tokens()), -1);  // of a token of the trace
  for (std::size_t i = 0; i < order_.size(); ++i) place[std::size_t(order_[i])] = std::int64_t(i);
  std::vector<std::int16_t> out(order_.size() * k);
  for (std::int64_t first = 0; first < trace_.tokens(); first += kTokensAtOnce) {
    trace_.read_experts(ordinal, first, std::min(kTokensAtOnce, trace_.tokens() - first), buffer_);
    for (std::size_t i = 0; i * k < buffer_.size(); ++i)
      if (const std::int64_t to = place[std::size_t(first) + i]; to >= 0)
        std::copy_n(buffer_.begin() + std::ptrdiff_t(i * k), k, out.begin() + to * std::ptrdiff_t(k));
  }
  return out;
}

std::vector<std::int16_t> RequestRouting::looked_up_ids(int model_layer) const {
  const auto k = std::size_t(trace_.header().top_k);
  const std::vector<std::int16_t> table = table_(model_layer);
  std::vector<std::int16_t> out(order_.size() * k);
  for (std::size_t i = 0; i < order_.size(); ++i)
    std::copy_n(table.begin() + std::ptrdiff_t(std::size_t(token_[i]) * k), k, out.begin() + std::ptrdiff_t(i * k));
  return out;
}

const RequestRouting::Layer& RequestRouting::layer(int model_layer) const {
  const TraceHeader& h = trace_.header();
  const bool by_id = model_layer < looked_up_;
  const int ordinal = model_layer > h.layers.back() ? trace_.layers() - 1 : trace_.ordinal(model_layer);
  if (!by_id && ordinal < 0)
    throw ConfigError(fmt::format("{}: the trace has no layer {}; it has {} layers from {} to {}", file(), model_layer,
                                  trace_.layers(), h.layers.front(), h.layers.back()));
  std::vector<Layer>& layers = by_id ? looked_up_layers_ : layers_;
  const auto at = std::size_t(by_id ? model_layer : ordinal);
  if (layers.size() <= at) layers.resize(at + 1);
  Layer& l = layers[at];
  if (!l.running.empty()) return l;
  const auto k = std::size_t(h.top_k), experts = std::size_t(h.experts);
  l.ids = by_id ? looked_up_ids(model_layer) : recorded_ids(ordinal);
  std::vector<std::uint32_t> total(experts, 0);
  for (std::size_t i = 0; i <= order_.size(); ++i) {
    if (i % std::size_t(kCountStep) == 0) l.running.insert(l.running.end(), total.begin(), total.end());
    for (std::size_t j = 0; i < order_.size() && j < k; ++j)
      if (const std::int16_t e = l.ids[i * k + j]; e >= 0) ++total[std::size_t(e)];
  }
  return l;
}

/// Adds `factor` for every choice of these recorded tokens.
void RequestRouting::add(const Layer& l, const Span& tokens, double factor, std::span<double> out) const {
  const std::int64_t k = trace_.header().top_k;
  const auto choices = [&](std::int64_t from, std::int64_t to, double each) {
    for (std::int64_t i = from * k; i < to * k; ++i)
      if (const std::int16_t e = l.ids[std::size_t(i)]; e >= 0) out[std::size_t(e)] += each;
  };
  if (tokens.size() <= kCountStep) return choices(tokens.first, tokens.end, factor);
  const auto before = [&](std::int64_t end, double sign) {
    const std::int64_t index = end / kCountStep;
    const std::uint32_t* const running = &l.running[std::size_t(index) * out.size()];
    for (std::size_t e = 0; e < out.size(); ++e) out[e] += sign * double(running[e]);
    choices(index * kCountStep, end, sign);
  };
  before(tokens.end, factor);
  before(tokens.first, -factor);
}

/// The recorded tokens that are wanted, and the mean of all recorded for each that is not.
void RequestRouting::add_part(const Layer& l, const Span& recorded, const Span& wanted, std::int64_t unrecorded,
                              std::span<double> out) const {
  add(l, wanted, 1, out);
  if (unrecorded > 0 && recorded.size() > 0) add(l, recorded, double(unrecorded) / double(recorded.size()), out);
}

void RequestRouting::add_rows(int layer_number, int request, int first, int count, std::span<double> out) const {
  const auto r = std::size_t(request);
  check(r < requests_.size() && first >= 0 && count >= 0, "{} tokens from {} of request {} of {}", count, first,
        request, requests_.size());
  check(out.size() == std::size_t(header().experts), "{} experts have room for {} rows", header().experts, out.size());
  const Layer& l = layer(layer_number);
  const Place& place = places_[r];
  const std::int64_t prompt = requests_[r].prompt, end = std::int64_t{first} + count;
  const Span& of_prompt = place.prompt.size() > 0 ? place.prompt : place.answer;
  const Span& of_answer = place.answer.size() > 0 ? place.answer : place.prompt;
  if (const std::int64_t to = std::min(end, prompt); first < to) {
    const auto at = [&](std::int64_t position) {
      const auto from = position_.begin() + place.prompt.first, until = position_.begin() + place.prompt.end;
      return std::lower_bound(from, until, position) - position_.begin();
    };
    const Span wanted{at(first), at(to)};
    add_part(l, of_prompt, wanted, to - first - wanted.size(), out);
  }
  if (const std::int64_t from = std::max<std::int64_t>(first, prompt); from < end) {
    const auto at = [&](std::int64_t position) {
      return std::min(place.answer.first + position - prompt, place.answer.end);
    };
    const Span wanted{at(from), at(end)};
    add_part(l, of_answer, wanted, end - from - wanted.size(), out);
  }
}
}  // namespace moesim::routing
