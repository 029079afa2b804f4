// Recording: text or token ids through a forward pass into a routing trace.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "numerics/compressed/tensors.h"
#include "numerics/pass/forward.h"
#include "numerics/synthetic/synthetic.h"
#include "numerics/tokens/tokenizer.h"
#include "spec/scale.h"

namespace moesim::recording {

/// One prompt and the kind of text it is.
struct RecordRequest {
  std::string source;  // for messages: the file, or "tokens.npy sequence 3"
  std::string domain;
  std::vector<int> tokens;
};

/// Each file is one request; a folder gives one request a file in it, sorted by name, hidden ones left out.  Domain:
/// the folder's name, or the file's without extension.  Ids: the tokenizer's, or without one the bytes.  limit: of
/// tokens a request; 0 for all.  Throws ConfigError for a text that is missing, empty or binary (holds a zero byte),
/// or, for a tokenizer, not UTF-8, or if nothing is left.
std::vector<RecordRequest> read_texts(const std::vector<std::string>& paths, std::int64_t limit,
                                      numerics::Tokenizer* tokenizer = nullptr);
/// The tokenizer of a checkpoint: its tokenizer.json; none if it has no such file.
std::unique_ptr<numerics::Tokenizer> tokenizer_of(const std::string& folder);
/// Token ids, one request a sequence, from a file by its ending:
/// .npy, .safetensors with one tensor: integers [tokens] or [sequences, tokens];
/// .json: a list of ids or a list of such lists; .jsonl: on each line a list of ids or {"tokens": [...]}, other keys
/// ignored, empty lines skipped.
/// Throws ConfigError naming file, place and what was found for anything else.
std::vector<RecordRequest> read_token_file(const std::string& file, std::int64_t limit);

struct RecordOptions {
  std::string output;              // trace to create
  std::string source;              // what the trace says recorded it
  int decode = 0;                  // tokens continued greedily after each prompt, all requests side by side
  int batch_tokens = 2048;         // most tokens of a prefill pass; longer prompts take several
  bool gate_weights = true;        // stored beside the choices
  bool mtp = false;                // run and record the MTP modules too, as layers after the model's
  std::vector<std::string> notes;  // for the trace's header
};
struct RecordResult {
  std::int64_t prefill_tokens = 0, decode_tokens = 0, passes = 0;
  int requests = 0, moe_layers = 0;
  bool complete = true;  // false if interrupted
};
/// Runs all requests and writes the trace; nothing is left behind on error.
/// Throws ConfigError if the output exists, the model has no MoE layer, a token id is outside the vocabulary (naming
/// both), or a request is longer than the model's positions.
RecordResult record_routing(numerics::Forward& forward, const std::vector<RecordRequest>& requests,
                            const RecordOptions& options);

/// The same by DeepSeek-V4's pass, one request after the other, what an indexer picks into `picks` where that names a
/// file: a line of JSON a token, {"request", "position", "layers": {"2": entries}}.
RecordResult record_compressed(const spec::Model& model, const numerics::CompressedShape& shape,
                               const numerics::CompressedTensors& tensors, const std::vector<RecordRequest>& requests,
                               const RecordOptions& options, const std::string& picks = "");

/// Throws ConfigError for a token id outside the vocabulary or a text that, with `decode` more tokens, is longer than
/// the model's positions.
void check_requests(const spec::Model& model, const std::vector<RecordRequest>& requests, int decode);
}  // namespace moesim::recording
