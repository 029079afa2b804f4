// Passes from the replies to requests, which do not say which requests shared one.
#pragma once
#include <vector>

#include "routing/importers/import.h"

namespace moesim::routing {

/// Gives `s` the tokens of `requests`, each request a block: its prompt's rows are one pass, each later token is one;
/// and says so in a note.  s.axis_size and s.top_k are set before.
/// Request: `where`, `ids` (rows, axis, top_k), `first` (position of its first row), `prompt` (its tokens; -1 unknown,
/// then all rows count as prompt).  token_id(request, position): -1 if unknown.  `requests` lives until the trace is
/// written.
template <class Request, class TokenId>
void set_reply_blocks(RoutedSource& s, const std::vector<Request>& requests, TokenId token_id) {
  s.notes.push_back(
      "which requests shared a pass is not recorded: each request's prompt and each later token count as one");
  s.blocks = [&requests, token_id, ids_a_row = std::int64_t{s.axis_size} * s.top_k](const auto& take) {
    std::int32_t pass = -1;
    for (std::size_t q = 0; q < requests.size(); ++q) {
      const Request& r = requests[q];
      TokenBlock b;
      b.where = r.where;
      b.ids = r.ids;
      const std::int64_t rows = std::int64_t(r.ids.size()) / ids_a_row;
      for (std::int64_t row = 0; row < rows; ++row) {
        const std::int64_t position = r.first + row;
        const bool decode = r.prompt >= 0 && position >= r.prompt;
        if (row == 0 || decode) ++pass;
        b.tokens.push_back({pass, std::int32_t(q), std::int32_t(position), token_id(r, position),
                            decode ? TracePhase::decode : TracePhase::prefill, 0});
      }
      take(b);
    }
  };
}
}  // namespace moesim::routing
