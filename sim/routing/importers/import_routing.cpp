#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/interrupt.h"
#include "core/log.h"
#include "routing/importers/import_layers.h"

namespace moesim::routing {
namespace {
/// What a first look at all tokens shows.
struct Survey {
  std::vector<bool> used;  // (axis)
  std::int32_t largest = -1;
  std::int64_t tokens = 0, choices = 0, places = 0;  // choices that are there, of so many
};

bool empty_choice(const std::int32_t* ids, std::size_t k, bool zero_is_empty) {
  const auto all = [&](std::int32_t v) { return std::all_of(ids, ids + k, [v](std::int32_t e) { return e == v; }); };
  return all(-1) || (zero_is_empty && k > 1 && all(0));
}

Survey look(const RoutedSource& s) {
  Survey out;
  out.used.assign(std::size_t(s.axis_size), false);
  const std::size_t k = std::size_t(s.top_k), axis = out.used.size();
  s.blocks([&](const TokenBlock& b) {
    for (std::size_t i = 0; i < b.tokens.size() * axis; ++i) {
      const std::int32_t* const ids = &b.ids[i * k];
      if (empty_choice(ids, k, s.zero_is_empty)) continue;
      ++out.choices;
      out.used[i % axis] = true;
      out.largest = std::max(out.largest, *std::max_element(ids, ids + k));
    }
    out.tokens += std::int64_t(b.tokens.size());
    out.places += std::int64_t(b.tokens.size() * axis);
    check_filled(b.where, out.choices, out.places);
    stop_if_interrupted();
  });
  return out;
}

int settle_experts(const ImportContext& c, const RoutedSource& s, const Survey& survey, TraceHeader& h) {
  if (c.options.experts > 0 && s.experts > 0 && c.options.experts != s.experts)
    throw ConfigError::placed(
        fmt::format("--experts: {} says {} experts, not {}", s.file, s.experts, c.options.experts));
  const int told = c.options.experts > 0 ? c.options.experts
                   : s.experts > 0       ? s.experts
                   : c.model             ? c.model->moe->experts
                                         : 0;
  if (s.id_bits == 8 && told > 256)
    throw ConfigError(fmt::format("{}: its ids have 8 bits, too few for {} experts", s.file, told));
  if (told > 0) return told;
  h.notes.push_back(fmt::format("the file does not say how many experts there are: {} is the largest id and one",
                                survey.largest + 1));
  return survey.largest + 1;
}

/// Copies a block's choices from (tokens, axis, top_k) to (layers, tokens, top_k), checking every id.
class Arrange {
 public:
  Arrange(const RoutedSource& source, const LayerPlan& plan, const TraceHeader& header)
      : s_(source), plan_(plan), h_(header) {}
  std::vector<std::int16_t> ids;
  std::vector<float> weights;

  void operator()(const TokenBlock& b) {
    const std::size_t n = b.tokens.size(), k = std::size_t(s_.top_k), axis = plan_.ordinal.size();
    ids.assign(plan_.layers.size() * n * k, -1);
    weights.assign(h_.weights ? ids.size() : 0, 0);
    for (std::size_t t = 0; t < n; ++t)
      for (std::size_t a = 0; a < axis; ++a) {
        if (plan_.ordinal[a] < 0) continue;
        const std::int32_t* const from = &b.ids[(t * axis + a) * k];
        if (empty_choice(from, k, s_.zero_is_empty)) continue;
        const std::size_t to = (std::size_t(plan_.ordinal[a]) * n + t) * k;
        for (std::size_t j = 0; j < k; ++j) {
          if (from[j] < -1 || from[j] >= h_.experts)
            fail(b, t, a, fmt::format("names expert {} of {}", from[j], h_.experts));
          for (std::size_t i = 0; i < j; ++i)
            if (from[i] == from[j] && from[j] >= 0) fail(b, t, a, fmt::format("names expert {} twice", from[j]));
          ids[to + j] = std::int16_t(from[j]);
        }
        if (h_.weights) copy_weights(b, t, a, &weights[to]);
      }
    check_tokens(b);
  }

 private:
  void copy_weights(const TokenBlock& b, std::size_t token, std::size_t row, float* out) const {
    const std::size_t k = std::size_t(s_.top_k);
    const float* const from = &b.weights[(token * plan_.ordinal.size() + row) * k];
    for (std::size_t j = 0; j < k; ++j)
      if (!(from[j] >= 0) || !std::isfinite(from[j]))
        fail(b, token, row, fmt::format("a gate weight is {}, expected a number that is not negative", from[j]));
    std::copy_n(from, k, out);
  }
  /// Where something is not known it is -1.
  static void check_tokens(const TokenBlock& b) {
    for (std::size_t t = 0; t < b.tokens.size(); ++t)
      if (const TraceToken& x = b.tokens[t]; x.request < -1 || x.position < -1 || x.token < -1)
        throw ConfigError(fmt::format("{}: token {}: request {}, position {} and id {} must not be negative", b.where,
                                      t, x.request, x.position, x.token));
  }
  [[noreturn]] void fail(const TokenBlock& b, std::size_t token, std::size_t row, std::string_view problem) const {
    throw ConfigError(fmt::format("{}: token {}, layer {}: {}", b.where, token,
                                  plan_.layers[std::size_t(plan_.ordinal[row])], problem));
  }
  const RoutedSource& s_;
  const LayerPlan& plan_;
  const TraceHeader& h_;
};
}  // namespace

void import_routing(const ImportContext& context, const RoutedSource& s) {
  if (context.options.top_k > 0 && context.options.top_k != s.top_k)
    throw ConfigError::placed(
        fmt::format("--top-k: {} has {} choices a token, not {}", s.file, s.top_k, context.options.top_k));
  check_sizes(s.file, s.axis_size, s.experts);  // before anything is as large as they say
  const Survey survey = look(s);
  if (survey.tokens == 0) throw ConfigError(fmt::format("{}: holds no token", s.file));
  LayerPlan plan = plan_layers(context, s.file, s.axis, s.layers, survey.used);
  TraceHeader h = begin_header(s.name, s.notes, plan);
  h.experts = settle_experts(context, s, survey, h);
  h.top_k = s.top_k;
  h.weights = s.weights;
  h.token_ids = s.token_ids;
  h.requests = s.requests;
  h.phases = s.phases;
  h.domains = s.domains;
  check_sizes(s.file, std::int64_t(h.layers.size()), h.experts, h.top_k);
  if (h.experts < h.top_k)
    throw ConfigError(fmt::format("{}: {} experts with top-{} cannot be", s.file, h.experts, h.top_k));
  describe_model(context, s.file, h);
  Arrange arrange(s, plan, h);
  TraceWriter writer(context.options.output, h);
  Progress progress("importing", std::uint64_t(survey.tokens), "tokens");
  s.blocks([&](const TokenBlock& b) {
    stop_if_interrupted();
    arrange(b);
    writer.add(b.tokens, arrange.ids, arrange.weights);
    progress.at(std::uint64_t(writer.tokens()));
  });
  writer.finish();
}
}  // namespace moesim::routing
