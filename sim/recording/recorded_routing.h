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
  numerics::Products products = numerics::Products::ordered;
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
    f("products", p.products,
      "who adds up matrix products: ordered (the same digits on every x86-64) or openblas (its kernels, and with them "
      "the last digits, depend on the processor)");
  }
};

/// True if the scenario's routing is to be recorded first.
bool asks_for_recording(const Config& scenario);
struct Recorded {
  bool complete = true;  // false if the user interrupted it
  numerics::ProductsMade products;
};
/// Records it into `trace_file`, a new file.  Throws ConfigError for wrong input, leaving nothing behind.
Recorded record_for(const Config& scenario, const std::string& trace_file);
/// What the scenario's `routing` becomes: the trace in place of `record`, the other keys kept.
Config::Override replay_of(const Config& scenario, const std::string& trace_file);
}  // namespace moesim::recording
