// Chooses what a rank computes in its next step: which waiting requests start, how much of their prompts, who decodes.
#pragma once
#include <memory>
#include <optional>

#include "core/family.h"

namespace moesim::serving {

/// The next piece of a prompt: tokens left to compute, after so many that have their KV cache.
struct PromptPiece {
  int left = 0, context = 0;
};

/// A rank as a batcher sees it.  Calls act at once, so what is asked next already counts what was decided before.
class StepBuilder {
 public:
  virtual ~StepBuilder() = default;
  /// Requests past their prompt.
  virtual int decoding() const = 0;
  /// Requests with a part of their prompt computed, oldest first: the first that has none in this step.
  virtual std::optional<PromptPiece> started() const = 0;
  /// Computes the next `tokens` of that prompt, 0 < tokens <= started()->left.
  virtual void continue_prompt(int tokens) = 0;
  /// Of the first waiting request's prompt, what is still to be computed; nothing if none waits.
  virtual std::optional<PromptPiece> waiting() const = 0;
  /// Starts it with the first `tokens` of its prompt, 0 < tokens <= waiting()->left; false if its KV cache does not fit
  /// now.
  virtual bool admit(int tokens) = 0;
  /// Requests past their prompt take part in the step.
  virtual void decode() = 0;
  /// Queries a decoding request brings into a step: 1, or 1 + drafts.
  virtual int queries() const = 0;
};

struct BatchLimits {
  int requests = 256, tokens = 8192;
};

class Batcher {
 public:
  virtual ~Batcher() = default;
  /// In force where the scenario gives no limits of its own.
  virtual void usual(const BatchLimits& limits) = 0;
  /// Decides one step; doing nothing leaves the rank out of it.
  virtual void plan(StepBuilder& rank) const = 0;
  /// Most requests a rank holds at once.
  virtual int max_requests() const = 0;
  /// Most tokens of a rank in a step; `static` and `continuous` also start one longer prompt alone.
  virtual int max_tokens() const = 0;
  /// Tokens of prompts that a rank computes at most in a step beside so many queries that decode, each prompt token
  /// after `context` others on average.
  virtual double prompt_tokens(int queries, double context) const = 0;
  /// Whether prompts and decoding share steps.
  virtual bool mixes() const { return false; }
};

/// The family `batcher`: continuous, chunked, static.
const Family<Batcher>& batchers();
}  // namespace moesim::serving
