// What a tokenizer.json does to a text before byte-pair encoding: normalisation, then cutting into words.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "formats/json_object.h"

namespace moesim::numerics {

/// A word on its way; `first` if it begins where the whole text does.
struct TextPiece {
  std::string text;
  bool first = false;
};
using Normalise = std::function<std::string(std::string)>;
using CutUp = std::function<std::vector<TextPiece>(std::vector<TextPiece>)>;

/// json: the value of "normalizer" or "pre_tokenizer", null for none; where: the file, begins messages.
/// NFC, NFD, NFKC, NFKD, Prepend, Replace, Sequence.  Throws ConfigError naming what is not implemented.
Normalise normaliser_of(const formats::JsonValue& json, const std::string& where);
/// Split, ByteLevel, Digits, Punctuation, Metaspace, Sequence.  Likewise.
CutUp cutter_of(const formats::JsonValue& json, const std::string& where);

/// The offset of the first byte that is not UTF-8, npos if there is none.
std::size_t not_utf8(std::string_view text);
}  // namespace moesim::numerics
