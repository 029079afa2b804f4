// GPU memory that the kernels of an exchange keep for rows on their way.
#pragma once
#include <cstdint>

#include "network/groups/exchange_group.h"

namespace moesim::network {

/// What decides how large buffers must be: the most that can happen, not what does.
struct BufferNeed {
  int gpus = 1, per_node = 1;  // of the expert-parallel group; of an NVLink domain
  int hidden = 0;
  int experts = 0;           // slots of all GPUs together, copies too
  std::int64_t tokens = 0;   // most tokens a GPU sends at once
  std::int64_t sent = 0;     // most rows of them
  std::int64_t arrived = 0;  // most rows that reach one GPU
};

/// Of dispatch and combine together, on each GPU; 0 where one GPU has all experts.
Bytes exchange_buffers(const ExchangeSpec& dispatch, const ExchangeSpec& combine, const BufferNeed& need);
}  // namespace moesim::network
