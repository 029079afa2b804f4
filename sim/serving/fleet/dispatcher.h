// Sends requests to ranks: what the balancer picks among those that are up, and a lobby for those that none can take.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "serving/fleet/balancer.h"
#include "serving/fleet/load_board.h"

namespace moesim::serving {

class Dispatcher {
 public:
  /// prompts: picks where a request starts; decodes: where one goes on whose prompt another instance has computed.
  Dispatcher(Fleet& fleet, Requests& requests, std::unique_ptr<Balancer> prompts, std::unique_ptr<Balancer> decodes);

  /// To a rank that is up and can hold the request; to the lobby if there is none now.
  void send(std::uint32_t slot);
  /// Tries again for all in the lobby: something is up that was not.
  void empty_lobby();
  bool lobby_empty() const { return lobby_.empty(); }

 private:
  bool try_send(std::uint32_t slot);
  void find_eligible(LoadBoard& board, const Live& live, std::int64_t need);

  Fleet& fleet_;
  Requests& requests_;
  std::unique_ptr<Balancer> prompts_, decodes_;
  LoadBoard prompt_board_, decode_board_;
  std::vector<std::uint32_t> lobby_;
  std::vector<RankLoad> loads_;        // scratch: of the eligible
  std::vector<std::size_t> eligible_;  // scratch: places on a board
};
}  // namespace moesim::serving
