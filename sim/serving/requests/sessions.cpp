#include "serving/requests/sessions.h"

#include <algorithm>

namespace moesim::serving {

void Sessions::open(std::int64_t session, Text text, std::vector<Turn> later) {
  if (!later.empty()) open_[session] = {text, std::move(later)};
}

std::int64_t Sessions::close(std::int64_t session) {
  const auto found = open_.find(session);
  if (found == open_.end()) return 0;
  const std::int64_t out = std::int64_t(found->second.later.size());
  open_.erase(found);
  return out;
}

void Sessions::hash(Request& request, const Text& text, int covered) const {
  if (hash_block_ == 0) return;
  const int blocks = covered / hash_block_, shared = text.shared / hash_block_;
  request.hashes.reserve(std::size_t(blocks));
  for (int k = 0; k < blocks; ++k)
    request.hashes.push_back(block_hash(k < shared ? text.shared_key : text.key, std::uint64_t(k)));
}

void Sessions::repeat(Request& request, const std::vector<std::uint64_t>& before, int again) const {
  if (hash_block_ == 0) return;
  const std::size_t blocks = std::size_t((std::int64_t{request.input} + request.output) / hash_block_);
  const std::uint64_t key = (std::uint64_t(request.row) << 20) + std::uint64_t(request.turn);
  request.hashes = before;
  request.hashes.resize(std::min({before.size(), blocks, std::size_t(again / hash_block_)}));
  request.hashes.reserve(blocks);
  while (request.hashes.size() < blocks) request.hashes.push_back(block_hash(key, request.hashes.size()));
}

std::optional<Request> Sessions::follow(const Request& done, Time end, std::int64_t& row) {
  const auto found = open_.find(done.session);
  if (done.session < 0 || found == open_.end()) return std::nullopt;
  Open& open = found->second;
  const Turn turn = std::move(open.later.front());
  Request out{.row = turn.row > 0 ? turn.row : ++row,
              .session = done.session,
              .turn = done.turn + 1,
              .input = turn.input,
              .output = turn.output,
              .domain = done.domain,
              .outside = done.outside,
              .arrival = end + turn.pause,
              .hashes = turn.hashes};
  open.later.erase(open.later.begin());
  const Text text = open.text;
  const bool last = open.later.empty();
  if (last) open_.erase(found);
  if (turn.again >= 0)
    repeat(out, done.hashes, turn.again);
  else if (out.hashes.empty() && text.key != 0)
    hash(out, text, last ? out.input : out.input + out.output);
  return out;
}
}  // namespace moesim::serving
