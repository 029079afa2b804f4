// Byte-pair encoding of one word: a vocabulary and the merges that were learnt, in their order.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

namespace moesim::numerics {

struct BpeOptions {
  std::optional<std::string> unknown;  // token of characters that have none
  bool fuse_unknown = false;           // one for a run of them
  bool byte_fallback = false;          // characters that have none become <0xE2> tokens of their bytes
  bool ignore_merges = false;          // a word that is a token itself is that token, whatever the merges
};

class Bpe {
 public:
  /// merges: by rank, both sides as tokens of the vocabulary; where: begins messages.
  /// Throws ConfigError for a merge whose sides or result are not in the vocabulary, or an unknown token that is not.
  Bpe(std::unordered_map<std::string, int> vocabulary, const std::vector<std::pair<std::string, std::string>>& merges,
      BpeOptions options, std::string where);

  /// Appends the ids of `word`, valid UTF-8: of all adjacent pairs the merge of the lowest rank first, the leftmost of
  /// equal ones, until none is left.  Throws ConfigError for a character without a token.
  /// progress: told of the bytes of the word that are done, now and then.
  void encode(const std::string& word, std::vector<int>& ids, const std::function<void(std::size_t)>& progress = {});

 private:
  struct Merge {
    std::int32_t rank = 0;
    int result = 0;
  };
  static std::uint64_t key(int left, int right) {
    return std::uint64_t(std::uint32_t(left)) << 32 | std::uint32_t(right);
  }
  static std::string seam(std::string_view left, std::string_view right);
  void encode_part(const std::string& word, std::vector<int>& ids);
  const Merge* merge_of(int left, int right) const;
  std::vector<int> symbols_of(const std::string& word) const;
  bool add_bytes(std::string_view character, std::vector<int>& out) const;
  void merge(std::vector<int>& symbols) const;

  std::unordered_map<std::string, int> vocabulary_;
  std::unordered_map<std::uint64_t, Merge> merges_;
  std::unordered_set<std::string> seams_;  // character pairs that some merge joins
  BpeOptions options_;
  int unknown_ = -1;
  std::string where_;
  std::unordered_map<std::string, std::vector<int>> known_words_;  // looked up, never iterated
};
}  // namespace moesim::numerics
