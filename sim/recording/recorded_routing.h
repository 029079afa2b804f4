// `routing: {record: ...}`: a forward pass over text, run before the simulation; its trace then feeds it.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/config.h"
#include "numerics/synthetic/synthetic.h"
#include "spec/scale.h"

namespace moesim::recording {

struct RecordSection {
  std::vector<DataFile> text;        // files or folders, from the scenario's folder
  std::int64_t limit = 0;            // tokens of each file; 0: all
  int decode = 0;                    // tokens each request is continued by
  DataFile weights;                  // Hugging Face folder; empty: synthetic
  std::optional<spec::Scale> scale;  // of the synthetic model; none: a size for laptops
  numerics::SyntheticOptions synthetic;
  static void fields(auto& f, auto& p) {
    f.required("text", p.text,
               "text files or folders, in tokens of the weights' tokenizer.json, else bytes; a file is a request, its "
               "folder the "
               "kind of text");
    f("limit", p.limit, "at most so many tokens of each file; 0: all");
    f("decode", p.decode, "continue each request by so many tokens");
    f("weights", p.weights, "Hugging Face folder of safetensors; empty: synthetic weights");
    f("scale", p.scale, "widths of the synthetic model; nothing given: a size for laptops");
    f("synthetic", p.synthetic, "how the synthetic weights are made");
  }
};

/// True if the scenario's routing is to be recorded first.
bool records_routing(const Config& scenario);
/// Records it into `trace_file`, a new file.  Returns false if the user interrupted it.
/// Throws ConfigError for wrong input, leaving nothing behind.
bool record_for(const Config& scenario, const std::string& trace_file);
/// What the scenario's `routing` becomes: the trace in place of `record`, the other keys kept.
Config::Override replay_of(const Config& scenario, const std::string& trace_file);
}  // namespace moesim::recording
