#include "numerics/tokens/tokenizer_steps.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include <array>

#include "core/config.h"
#include "formats/json.h"
#include "numerics/tokens/text_pattern.h"

namespace moesim::numerics {
namespace {
/// GPT-2's words.  Source: tokenizers, pre_tokenizers/byte_level.rs; GPT-2's encoder.py.
constexpr const char* kWords = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

/// A text may become so many times as long in all its steps, and this much more.  assumed: compatibility forms make 11
/// bytes of one (U+FDFA), a mark for spaces 3, visible bytes 2, and no tokenizer takes two of the first.
constexpr std::size_t kMostGrowth = 32, kAlwaysBytes = 1 << 16;

/// Steps in a row can make a text of any length: Replace "a" by "aa", sixty times.
void check_growth(std::size_t bytes, std::size_t from, const std::string& where) {
  if (bytes > kAlwaysBytes && (bytes - kAlwaysBytes) / kMostGrowth > from)
    throw ConfigError(fmt::format("{}: its steps make {} bytes of a text of {}, expected at most {} times as many",
                                  where, bytes, from, kMostGrowth));
}
std::size_t bytes_of(const std::vector<TextPiece>& pieces) {
  std::size_t out = 0;
  for (const TextPiece& p : pieces) out += p.text.size();
  return out;
}

[[noreturn]] void refuse(const std::string& where, std::string_view kind, const std::string& what) {
  throw ConfigError(fmt::format("{}: {} {} is not implemented", where, kind, what));
}
std::string type_of(const formats::JsonValue& json, const std::string& where, std::string_view kind) {
  if (!json.is_object() || !json.contains("type") || !json["type"].is_string())
    throw ConfigError(fmt::format("{}: {}: expected an object with a type, got {}", where, kind, formats::shown(json)));
  return json["type"].get<std::string>();
}

/// {"String": "..."} or {"Regex": "..."}.
TextPattern pattern_of(const formats::JsonObject& step, const std::string& where) {
  const formats::JsonObject pattern = step.part("pattern");
  if (pattern.has("String")) return {escaped_pattern(pattern.text("String")), where};
  if (pattern.has("Regex")) return {pattern.text("Regex"), where};
  pattern.fail("expected a String or a Regex");
}

std::string normal_form(const std::string& text, int options, const std::string& where) {
  utf8proc_uint8_t* made = nullptr;
  const auto size = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()), utf8proc_ssize_t(text.size()),
                                 &made, utf8proc_option_t(options | UTF8PROC_STABLE));
  if (size < 0) throw ConfigError(fmt::format("{}: a text cannot be normalised: {}", where, utf8proc_errmsg(size)));
  std::string out(reinterpret_cast<const char*>(made), std::size_t(size));
  std::free(made);
  return out;
}

std::string replace_all(const std::string& text, const TextPattern& pattern, const std::string& by,
                        const std::string& where) {
  std::string out;
  std::size_t at = 0;
  for (const TextRange& m : pattern.matches(text)) {
    out.append(text, at, m.begin - at).append(by);
    check_growth(out.size(), text.size(), where);
    at = m.end;
  }
  return out.append(text, at);
}

enum class Behaviour { removed, isolated, merged_with_previous, merged_with_next, contiguous };

Behaviour behaviour_of(const std::string& word, const std::string& where) {
  if (word == "Removed") return Behaviour::removed;
  if (word == "Isolated") return Behaviour::isolated;
  if (word == "MergedWithPrevious") return Behaviour::merged_with_previous;
  if (word == "MergedWithNext") return Behaviour::merged_with_next;
  if (word == "Contiguous") return Behaviour::contiguous;
  refuse(where, "behavior", word);
}

/// The text as matches and what lies between them, joined as the behaviour says.
void split(const TextPiece& piece, const TextPattern& pattern, Behaviour behaviour, bool invert,
           std::vector<TextPiece>& out) {
  struct Stretch {
    TextRange range;
    bool match;
  };
  std::vector<Stretch> parts;
  std::size_t at = 0;
  for (const TextRange& m : pattern.matches(piece.text)) {
    if (m.begin > at) parts.push_back({{at, m.begin}, invert});
    parts.push_back({m, !invert});
    at = m.end;
  }
  if (at < piece.text.size()) parts.push_back({{at, piece.text.size()}, invert});
  std::vector<Stretch> joined;
  for (const Stretch& p : parts) {
    const bool has = !joined.empty(), after_match = has && joined.back().match;
    bool join = false;
    if (behaviour == Behaviour::merged_with_previous) join = has && p.match && !after_match;
    if (behaviour == Behaviour::merged_with_next) join = after_match && !p.match;
    if (behaviour == Behaviour::contiguous) join = has && p.match == after_match;
    if (join) {
      joined.back().range.end = p.range.end;
      if (behaviour != Behaviour::contiguous) joined.back().match = p.match;
    } else {
      joined.push_back(p);
    }
  }
  for (const Stretch& p : joined)
    if (!(behaviour == Behaviour::removed && p.match))
      out.push_back({piece.text.substr(p.range.begin, p.range.end - p.range.begin), piece.first && p.range.begin == 0});
}

CutUp split_by(const std::shared_ptr<const TextPattern>& pattern, Behaviour behaviour, bool invert) {
  return [=](const std::vector<TextPiece>& pieces) {
    std::vector<TextPiece> out;
    for (const TextPiece& p : pieces) split(p, *pattern, behaviour, invert, out);
    return out;
  };
}

/// The visible character that stands for each byte.  Source: bytes_to_unicode() of GPT-2's encoder.py.
const std::array<std::string, 256>& visible_bytes() {
  static const std::array<std::string, 256> table = [] {
    std::array<std::string, 256> t;
    unsigned next = 256;
    for (unsigned b = 0; b < 256; ++b) {
      const bool own = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b != 0xAD);
      const unsigned c = own ? b : next++;
      t[b] = c < 0x80 ? std::string(1, char(c)) : std::string{char(0xC0U | (c >> 6)), char(0x80U | (c & 0x3FU))};
    }
    return t;
  }();
  return table;
}

CutUp byte_level(const formats::JsonObject& json, const std::string& where) {
  const bool prefix = json.flag_or("add_prefix_space", true), regex = json.flag_or("use_regex", true);
  const CutUp words = split_by(std::make_shared<const TextPattern>(kWords, where), Behaviour::isolated, false);
  return [=](std::vector<TextPiece> pieces) {
    if (prefix)
      for (TextPiece& p : pieces)
        if (!p.text.starts_with(' ')) p.text.insert(0, 1, ' ');
    if (regex) pieces = words(std::move(pieces));
    for (TextPiece& p : pieces) {
      std::string seen;
      for (const char c : p.text) seen += visible_bytes()[static_cast<unsigned char>(c)];
      p.text = std::move(seen);
    }
    return pieces;
  };
}

CutUp metaspace(const formats::JsonObject& json, const std::string& where) {
  const std::string mark = json.text_or("replacement", "\xE2\x96\x81");
  const bool legacy = json.flag_or("add_prefix_space", true);
  const std::string scheme = json.text_or("prepend_scheme", legacy ? "always" : "never");
  if (scheme != "always" && scheme != "never" && scheme != "first") refuse(where, "prepend_scheme", scheme);
  const bool cut = json.flag_or("split", true);
  const CutUp words =
      split_by(std::make_shared<const TextPattern>(escaped_pattern(mark), where), Behaviour::merged_with_next, false);
  const auto spaces = std::make_shared<const TextPattern>(" ", where);
  return [=](std::vector<TextPiece> pieces) {
    for (TextPiece& p : pieces) {
      p.text = replace_all(p.text, *spaces, mark, where);
      const bool prepend = scheme == "always" || (scheme == "first" && p.first);
      if (prepend && !p.text.starts_with(mark)) p.text.insert(0, mark);
    }
    return cut ? words(std::move(pieces)) : pieces;
  };
}
}  // namespace

Normalise normaliser_of(const formats::JsonValue& value, const std::string& where) {
  if (value.is_null()) return [](std::string s) { return s; };
  const std::string type = type_of(value, where, "normalizer");
  const formats::JsonObject json(value, where);
  for (const auto& [name, options] : {std::pair<const char*, int>{"NFC", UTF8PROC_COMPOSE},
                                      {"NFD", UTF8PROC_DECOMPOSE},
                                      {"NFKC", UTF8PROC_COMPOSE | UTF8PROC_COMPAT},
                                      {"NFKD", UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT}})
    if (type == name) return [where, o = options](const std::string& s) { return normal_form(s, o, where); };
  if (type == "Prepend")
    return [p = json.text_or("prepend", "")](const std::string& s) { return s.empty() ? s : p + s; };
  if (type == "Replace") {
    const auto pattern = std::make_shared<const TextPattern>(pattern_of(json, where + ": Replace"));
    return [pattern, by = json.text_or("content", ""), where](const std::string& s) {
      return replace_all(s, *pattern, by, where);
    };
  }
  if (type == "Sequence") {
    std::vector<Normalise> steps;
    for (const formats::JsonValue& step : json.list_at("normalizers")) steps.push_back(normaliser_of(step, where));
    return [steps, where](std::string s) {
      const std::size_t from = s.size();
      for (const Normalise& step : steps) {
        s = step(std::move(s));
        check_growth(s.size(), from, where);
      }
      return s;
    };
  }
  refuse(where, "normalizer", type);
}

CutUp cutter_of(const formats::JsonValue& value, const std::string& where) {
  if (value.is_null()) return [](std::vector<TextPiece> pieces) { return pieces; };
  const std::string type = type_of(value, where, "pre_tokenizer");
  const formats::JsonObject json(value, where);
  const auto split_at = [&](const char* pattern, Behaviour behaviour) {
    return split_by(std::make_shared<const TextPattern>(pattern, where), behaviour, false);
  };
  if (type == "ByteLevel") return byte_level(json, where);
  if (type == "Metaspace") return metaspace(json, where);
  if (type == "Split")
    return split_by(std::make_shared<const TextPattern>(pattern_of(json, where + ": Split")),
                    behaviour_of(json.text_or("behavior", ""), where), json.flag_or("invert", false));
  if (type == "Digits")
    return split_at(json.flag_or("individual_digits", false) ? R"(\p{N})" : R"(\p{N}+)", Behaviour::isolated);
  if (type == "Punctuation")
    return split_at(R"([!-/:-@\[-`{-~\p{P}])", behaviour_of(json.text_or("behavior", "Isolated"), where));
  if (type == "Sequence") {
    std::vector<CutUp> steps;
    for (const formats::JsonValue& step : json.list_at("pretokenizers")) steps.push_back(cutter_of(step, where));
    return [steps, where](std::vector<TextPiece> pieces) {
      const std::size_t from = bytes_of(pieces);
      for (const CutUp& step : steps) {
        pieces = step(std::move(pieces));
        check_growth(bytes_of(pieces), from, where);
      }
      return pieces;
    };
  }
  refuse(where, "pre_tokenizer", type);
}

std::size_t not_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    if (static_cast<unsigned char>(text[at]) < 0x80) {
      ++at;
      continue;
    }
    utf8proc_int32_t code = 0;
    const auto size = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()) + at,
                                       utf8proc_ssize_t(text.size() - at), &code);
    if (size <= 0) return at;
    at += std::size_t(size);
  }
  return std::string_view::npos;
}
}  // namespace moesim::numerics
