// How a release is quantised: which tensors, in which format, by which file.
#pragma once
#include <string>
#include <vector>

#include "spec/release/keys.h"
#include "spec/release/patterns.h"
#include "spec/release/release.h"

namespace moesim::spec {

/// Tensors that share a format.
struct QuantisedGroup {
  WeightFormat format;
  ModulePatterns targets;  // empty: every linear map
  bool experts_only = false;
  std::int64_t group = 0;  // must divide the input width
};

struct Quantisation {
  std::string words;                   // "NVFP4 (modelopt, hf_quant_config.json)"; "" if nothing is quantised
  std::vector<QuantisedGroup> groups;  // the first that names a tensor holds
  ModulePatterns ignored;
  bool head = false;   // the LM head is a linear map like others
  bool towers = true;  // vision and audio towers are meant too
  std::string where;   // file and key, for messages
};

/// What the config.json says, or the hf_quant_config.json in `beside` ("" for none) does.  text: the text part of root.
/// Throws ConfigError for a kind that does not exist, for a key that is not understood, and where the two files
/// contradict each other.
Quantisation read_quantisation(const Keys& root, const Keys& text, const std::string& beside, std::string_view type);

/// The format of every tensor; plain: of those that are not quantised.
/// Throws ConfigError if a group does not divide a width.
std::vector<WeightFormat> formats_of(const std::vector<Tensor>& tensors, const Quantisation& how,
                                     const WeightFormat& plain);
}  // namespace moesim::spec
