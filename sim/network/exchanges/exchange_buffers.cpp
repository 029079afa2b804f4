#include "network/exchanges/exchange_buffers.h"

#include <algorithm>

#include "core/ceil_div.h"

namespace moesim::network {
namespace {
/// Room for `tokens` rows of every expert, twice (one exchange's rows are read while the next ones come), to send from
/// and to receive in: whatever is chosen, every token may go to the same expert.  Source: DeepEP, low-latency layout of
/// csrc/config.hpp; 2,116 MB at 128 tokens of 7,168 and 288 experts as its issue 28 prints.
Bytes low_latency(const BufferNeed& need) {
  constexpr std::int64_t kBf16 = 2, kHeader = 16, kPairs = 2;
  const std::int64_t result = need.hidden * kBf16, message = result + kHeader;
  return {kPairs * need.experts * need.tokens * (result + message)};
}

/// Rings of rows in flight, a channel and a peer each, whatever the number of tokens.  Source: DeepEP,
/// get_nvl_buffer_size_hint and get_rdma_buffer_size_hint of csrc/config.hpp, which allow for 128 choices and 128
/// scales a token; lengths of the rings as its Buffer.get_dispatch_config has them for 32 and more GPUs.
Bytes rings(const ExchangeSpec& spec, const BufferNeed& need) {
  constexpr std::int64_t kNvlinkRing = 288, kAdapterRing = 128, kChoices = 128 * (8 + 4), kScales = 128 * 4,
                         kSource = 8;
  const std::int64_t channels = std::max(1, spec.sms / 2);
  const std::int64_t row = std::int64_t{2} * need.hidden + kChoices + kScales + kSource;
  const std::int64_t peers = std::min(need.gpus, need.per_node), nodes = ceil_div(need.gpus, need.per_node);
  std::int64_t bytes = channels * peers * kNvlinkRing * row;
  if (nodes > 1) bytes += channels * nodes * kAdapterRing * row * 2;  // to send from and to receive in
  return {bytes};
}
}  // namespace

Bytes exchange_buffers(const ExchangeSpec& dispatch, const ExchangeSpec& combine, const BufferNeed& need) {
  if (need.gpus <= 1) return {};
  switch (dispatch.kernel) {
    case ExchangeKernel::deepep_low_latency:
      return low_latency(need);
    case ExchangeKernel::deepep_normal:
    case ExchangeKernel::hybrid:
      // What has arrived lies in tensors of its own, and so do the results that go back.
      return rings(dispatch, need) + (dispatch.row + combine.row) * need.arrived;
    case ExchangeKernel::all_to_all:
      return (dispatch.row + combine.row) * (need.sent + need.arrived);
    case ExchangeKernel::all_gather:
      return (dispatch.row + combine.row) * (need.tokens * need.gpus);
  }
  return {};
}
}  // namespace moesim::network
