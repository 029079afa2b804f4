#include <algorithm>

#include "core/ceil_div.h"
#include "numerics/algebra/elementwise.h"
#include "numerics/pass/attention.h"

namespace moesim::numerics {
namespace {
constexpr int kQueryBlock = 64;

/// The softmax over the picked ones of a row's logits; zeros elsewhere.
void softmax_of_picked(float* row, int keys, std::span<const int> picked, const float* sink, std::vector<float>& room) {
  room.clear();
  for (const int key : picked) room.push_back(row[key]);
  softmax(room.data(), int(room.size()), sink);
  std::fill(row, row + keys, 0.0F);
  for (std::size_t i = 0; i < picked.size(); ++i) row[picked[i]] = room[i];
}

/// One head, `rows` queries from row `first`: logits against every key that any of them may see, one softmax a row.
void attend_block(const AttentionCore& c, int head, int first, int rows, std::vector<float>& logits) {
  const int position = c.first_position + first;
  const int from = int(c.reads.first_key(position)), to = position + rows;  // keys [from, to)
  const int keys = to - from;
  const int kv_head = head / (c.heads / c.kv_heads);
  logits.resize(std::size_t(rows) * std::size_t(keys));
  const MatrixView q{c.q + first * c.q_stride + head * c.qk_dim, rows, c.qk_dim, c.q_stride};
  const MatrixView k{c.k + from * c.k_stride + kv_head * c.k_head_stride, keys, c.qk_dim, c.k_stride};
  const MatrixView v{c.v + from * c.v_stride + kv_head * c.v_head_stride, keys, c.v_dim, c.v_stride};
  multiply_transposed(q, k, logits.data(), keys, c.scale);
  const float* sink = c.sinks == nullptr ? nullptr : c.sinks + head;
  std::vector<float> room;
  for (int r = 0; r < rows; ++r) {
    float* row = logits.data() + std::int64_t(r) * keys;
    if (c.picks != nullptr) {
      softmax_of_picked(row, keys, c.picks->row(first + r), sink, room);
      continue;
    }
    const int begin = int(c.reads.first_key(position + r)) - from, end = position + r + 1 - from;
    std::fill(row, row + begin, 0.0F);
    softmax(row + begin, end - begin, sink);
    std::fill(row + end, row + keys, 0.0F);
  }
  multiply({logits.data(), rows, keys, keys}, v, c.out + first * c.out_stride + head * c.v_dim, c.out_stride);
}
}  // namespace

void attend(Threads& threads, const AttentionCore& core) {
  const int blocks = ceil_div(core.rows, kQueryBlock);
  std::vector<std::vector<float>> logits(std::size_t(threads.count()));
  threads.each(blocks * core.heads, [&](int index, int worker) {
    const int first = (blocks - 1 - index / core.heads) * kQueryBlock;  // the longest first
    attend_block(core, index % core.heads, first, std::min(kQueryBlock, core.rows - first),
                 logits[std::size_t(worker)]);
  });
}
}  // namespace moesim::numerics
