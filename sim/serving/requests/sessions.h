// Conversations of several turns: the next turn comes a while after the last answer, and repeats all before it.
#pragma once
#include <map>
#include <vector>

#include "serving/requests/workload.h"

namespace moesim::serving {

struct Turn {
  int input = 0;  ///< tokens of the whole prompt, earlier turns included
  int output = 0;
  Time pause{};                         ///< from the end of the turn before
  std::vector<std::uint64_t> hashes{};  ///< of its blocks, where they were recorded
  std::int64_t row = 0;                 ///< of the file; 0: counted on
  int again = -1;                       ///< tokens of the turn before that it repeats; -1: not known this way
};

/// Holds the turns still to come of every open session.
class Sessions {
 public:
  /// hash_block: 0 if the requests carry no hashes.
  explicit Sessions(int hash_block = 0) : hash_block_(hash_block) {}
  void set_hash_block(int tokens) { hash_block_ = tokens; }
  /// Opens a session with the turns after the first.
  /// key: names the conversation's tokens; the first `shared` tokens are those of `shared_key` instead.
  struct Text {
    std::uint64_t key = 0, shared_key = 0;
    int shared = 0;
  };
  void open(std::int64_t session, Text text, std::vector<Turn> later);
  /// Turns still to come of that session; none from now on.
  std::int64_t close(std::int64_t session);
  /// Gives `request` the ids of its full blocks; `covered` tokens have ids.
  void hash(Request& request, const Text& text, int covered) const;
  /// The same where it repeats the first `again` tokens of a request with blocks `before`; the rest, and the answer,
  /// are new.
  void repeat(Request& request, const std::vector<std::uint64_t>& before, int again) const;
  /// The next turn of done's session, numbered by ++row.
  std::optional<Request> follow(const Request& done, Time end, std::int64_t& row);

 private:
  struct Open {
    Text text;
    std::vector<Turn> later;
  };
  int hash_block_;
  std::map<std::int64_t, Open> open_;
};
}  // namespace moesim::serving
