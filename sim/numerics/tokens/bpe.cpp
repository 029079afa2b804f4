#include "numerics/tokens/bpe.h"

#include <fmt/format.h>

#include <queue>

#include "core/config.h"

namespace moesim::numerics {
namespace {
constexpr std::size_t kKnownWords = 1 << 17, kKnownLength = 64;

/// Bytes of the character that begins with `first`.
std::size_t length_of(char first) {
  const auto c = static_cast<unsigned char>(first);
  return c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
}
}  // namespace

Bpe::Bpe(std::unordered_map<std::string, int> vocabulary,
         const std::vector<std::pair<std::string, std::string>>& merges, BpeOptions options, std::string where)
    : vocabulary_(std::move(vocabulary)), options_(std::move(options)), where_(std::move(where)) {
  const auto find = [this](const std::string& token) {
    const auto at = vocabulary_.find(token);
    return at == vocabulary_.end() ? -1 : at->second;
  };
  if (options_.unknown && (unknown_ = find(*options_.unknown)) < 0)
    throw ConfigError(fmt::format("{}: unk_token \"{}\" is not in the vocabulary", where_, *options_.unknown));
  merges_.reserve(merges.size());
  for (std::size_t rank = 0; rank < merges.size(); ++rank) {
    const auto& [left, right] = merges[rank];
    const int ids[] = {find(left), find(right), find(left + right)};
    for (int i = 0; i < 3; ++i)
      if (ids[i] < 0 || left.empty() || right.empty())
        throw ConfigError(fmt::format("{}: merge {}: \"{}\" is not in the vocabulary", where_, rank,
                                      i == 0   ? left
                                      : i == 1 ? right
                                               : left + right));
    merges_[key(ids[0], ids[1])] = {std::int32_t(rank), ids[2]};
    seams_.insert(seam(left, right));
  }
}

/// The last character of `left` and the first of `right`.
std::string Bpe::seam(std::string_view left, std::string_view right) {
  std::size_t last = left.size() - 1;
  while (last > 0 && (static_cast<unsigned char>(left[last]) & 0xC0U) == 0x80U) --last;
  return fmt::format("{}{}", left.substr(last), right.substr(0, length_of(right[0])));
}

const Bpe::Merge* Bpe::merge_of(int left, int right) const {
  const auto at = merges_.find(key(left, right));
  return at == merges_.end() ? nullptr : &at->second;
}

bool Bpe::add_bytes(std::string_view character, std::vector<int>& out) const {
  std::vector<int> ids;
  for (const char c : character) {
    const auto at = vocabulary_.find(fmt::format("<0x{:02X}>", static_cast<unsigned char>(c)));
    if (at == vocabulary_.end()) return false;
    ids.push_back(at->second);
  }
  out.insert(out.end(), ids.begin(), ids.end());
  return true;
}

std::vector<int> Bpe::symbols_of(const std::string& word) const {
  std::vector<int> out;
  bool after_unknown = false;
  for (std::size_t i = 0; i < word.size();) {
    const std::string character = word.substr(i, length_of(word[i]));
    i += character.size();
    if (const auto at = vocabulary_.find(character); at != vocabulary_.end()) {
      out.push_back(at->second);
      after_unknown = false;
    } else if (options_.byte_fallback && add_bytes(character, out)) {
      after_unknown = false;
    } else if (unknown_ >= 0) {
      if (!(options_.fuse_unknown && after_unknown)) out.push_back(unknown_);
      after_unknown = true;
    } else {
      throw ConfigError(fmt::format("{}: has no token for \"{}\", and no unk_token", where_, character));
    }
  }
  return out;
}

void Bpe::merge(std::vector<int>& symbols) const {
  struct Candidate {
    std::int32_t rank;
    int left, right;  // positions
    int left_id, right_id;
    bool operator<(const Candidate& o) const { return rank != o.rank ? rank > o.rank : left > o.left; }  // first on top
  };
  const int n = int(symbols.size());
  std::vector<int> next(static_cast<std::size_t>(n)), before(next.size());
  std::priority_queue<Candidate> queue;
  const auto id = [&](int at) -> int& { return symbols[std::size_t(at)]; };
  const auto offer = [&](int left, int right) {
    if (left < 0 || right >= n) return;
    if (const Merge* m = merge_of(id(left), id(right))) queue.push({m->rank, left, right, id(left), id(right)});
  };
  for (int i = 0; i < n; ++i) next[std::size_t(i)] = i + 1, before[std::size_t(i)] = i - 1;
  for (int i = 0; i + 1 < n; ++i) offer(i, i + 1);
  while (!queue.empty()) {
    const Candidate c = queue.top();
    queue.pop();
    if (id(c.left) != c.left_id || next[std::size_t(c.left)] != c.right || id(c.right) != c.right_id) continue;
    id(c.left) = merge_of(c.left_id, c.right_id)->result;
    id(c.right) = -1;
    const int after = next[std::size_t(c.right)];
    next[std::size_t(c.left)] = after;
    if (after < n) before[std::size_t(after)] = c.left;
    offer(before[std::size_t(c.left)], c.left);
    offer(c.left, after);
  }
  std::erase(symbols, -1);
}

void Bpe::encode(const std::string& word, std::vector<int>& ids, const std::function<void(std::size_t)>& progress) {
  if (word.size() <= kKnownLength || options_.ignore_merges) return encode_part(word, ids);
  // No merge crosses a seam that no merge has, so the parts between such seams are words of their own.
  std::size_t begin = 0, at = length_of(word[0]);
  for (std::size_t before = 0; at < word.size();) {
    const std::size_t next = at + length_of(word[at]);
    const std::string left = word.substr(before, at - before), right = word.substr(at, next - at);
    if (!seams_.contains(left + right) && vocabulary_.contains(left) && vocabulary_.contains(right)) {
      encode_part(word.substr(begin, at - begin), ids);
      begin = at;
      if (progress) progress(at);
    }
    before = at;
    at = next;
  }
  encode_part(word.substr(begin), ids);
}

void Bpe::encode_part(const std::string& word, std::vector<int>& ids) {
  if (const auto at = known_words_.find(word); at != known_words_.end()) {
    ids.insert(ids.end(), at->second.begin(), at->second.end());
    return;
  }
  std::vector<int> symbols;
  const auto whole = options_.ignore_merges ? vocabulary_.find(word) : vocabulary_.end();
  if (whole != vocabulary_.end()) {
    symbols = {whole->second};
  } else {
    symbols = symbols_of(word);
    merge(symbols);
  }
  ids.insert(ids.end(), symbols.begin(), symbols.end());
  if (known_words_.size() < kKnownWords && word.size() <= kKnownLength) known_words_.emplace(word, std::move(symbols));
}
}  // namespace moesim::numerics
