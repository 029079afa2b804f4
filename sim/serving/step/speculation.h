// Drafts that a decoding step verifies: how many more tokens a step yields, and what that costs.
#pragma once
#include <vector>

#include "core/config.h"
#include "core/random.h"
#include "routing/trace.h"
#include "spec/model.h"

namespace moesim::serving {

enum class DraftKind { none, mtp, ngram, eagle };
constexpr auto enum_names(DraftKind) {
  return std::to_array<std::pair<std::string_view, DraftKind>>(
      {{"none", DraftKind::none}, {"mtp", DraftKind::mtp}, {"ngram", DraftKind::ngram}, {"eagle", DraftKind::eagle}});
}

/// Drafts that branch (EAGLE-2, arXiv:2406.16858): each level goes on from its likeliest nodes, and the likeliest of
/// all are verified.
struct DraftTree {
  int width = 1, tokens = 0;
  static void fields(auto& f, auto& p) {
    f("width", p.width, "nodes of a level that the next one grows from, as many each; 1: a chain");
    f("tokens", p.tokens, "drafts of the whole tree that a step verifies; a chain: one a level");
  }
};

/// A head trained for the model (arXiv:2401.15077): its last hidden state and the next token's embedding, joined by a
/// projection, go through one dense layer with the model's own heads.
struct EagleHead {
  int ffn_width = 0, vocabulary = 0;
  static void fields(auto& f, auto& p) {
    f("ffn_width", p.ffn_width, "inner width of its FFN; default: the model's dense_width");
    f("vocabulary", p.vocabulary, "tokens it can draft, by a head of its own; default: it has the model's head");
  }
};

struct SpeculationSpec {
  DraftKind kind = DraftKind::none;
  std::vector<double> acceptance{};  // of draft 1, 2, ... given that all before it were accepted
  DraftTree tree{};
  EagleHead eagle{};
  static void fields(auto& f, auto& p) {
    f("kind", p.kind,
      "none; mtp: the model's own extra layer drafts; eagle: a head trained for it; ngram: drafts from the text so "
      "far, for free");
    f("acceptance", p.acceptance,
      "chance of each draft, given that those before it were accepted; one draft a value; mtp: default what the "
      "routing's trace measured; of a tree: that the level holds the right token");
    f("tree", p.tree, "of mtp and eagle: drafts that branch");
    f("eagle", p.eagle, "the head that drafts");
  }
  /// Levels: the most tokens that a step can gain.
  int depth() const { return kind == DraftKind::none ? 0 : int(acceptance.size()); }
  /// Drafts that a step verifies for each request.
  int drafts() const { return tree.tokens > 0 && depth() > 0 ? tree.tokens : depth(); }
  /// Whether another layer than the model's computes each level.
  bool computed() const { return kind == DraftKind::mtp || kind == DraftKind::eagle; }
  /// Tokens a step yields on average: 1 + a1 + a1 a2 + ...
  double tokens_per_step() const {
    double sum = 1, all = 1;
    for (int i = 0; i < depth(); ++i) sum += all *= acceptance[std::size_t(i)];
    return sum;
  }
  /// Tokens of one step: the accepted drafts and the one the model adds.
  int draw(Random& random) const {
    int tokens = 1;
    for (int i = 0; i < depth() && random.uniform() < acceptance[std::size_t(i)]; ++i) ++tokens;
    return tokens;
  }
};

/// Acceptance by position that a trace's recording measured for the model's own drafts; empty if it has none.
std::vector<double> measured_acceptance(const routing::TraceHeader& trace);

/// Throws ConfigError for a chance outside [0, 1], drafts that are missing, and trees that cannot grow.
void check_speculation(const SpeculationSpec& spec);

/// The layer of an EAGLE head as a model of one layer, in BF16.  Throws ConfigError where the target's attention has no
/// such head.
spec::Model eagle_model(const spec::Model& target, const EagleHead& head);
}  // namespace moesim::serving
