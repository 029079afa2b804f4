// Tables of exchange kernels: DeepEP's, dispatch in FP8 and combine in BF16, under uniform routing.
#include <fmt/format.h>

#include "network/fitting/row_reader.h"

namespace moesim::network {
namespace {
constexpr std::int64_t kMost = 1 << 22;  // of tokens a GPU, and of a row's values

struct Columns {
  std::string_view gpu, nodes, hidden, tokens, top_k, experts;
};
constexpr Columns kNow = {"gpu", "nodes", "hidden", "tokens", "top_k", "experts"},
                  kOf2025 = {"device", "node_num", "hidden_size", "num_token", "num_topk", "num_experts"};

struct TimeColumn {
  ExchangeDirection direction;
  std::string_view time;
  bool notify = false;
  std::string_view sms;  // "" for kernels that take none
};

std::string library_of(const formats::CsvTable& csv, std::size_t r, const Columns& in) {
  if (in.gpu == kNow.gpu) return std::string(csv.text(r, "library"));
  return fmt::format("DeepEP in {} {}", csv.text(r, "framework"), csv.text(r, "version"));
}

void read_one(RowReader& reader, const formats::CsvTable& csv, std::size_t r, const Columns& in,
              const TimeColumn& column) {
  const bool dispatch = column.direction == ExchangeDirection::dispatch, normal = !column.sms.empty();
  ExchangeRow e;
  e.nodes = int(csv.integer(r, in.nodes, 1, 64));
  const int hidden = int(csv.integer(r, in.hidden, 1, kMost));
  e.tokens = int(csv.integer(r, in.tokens, 1, kMost));
  e.experts = int(csv.integer(r, in.experts, 1, 1 << 16));
  e.top_k = int(csv.integer(r, in.top_k, 1, e.experts));
  e.notify = column.notify;
  if (e.experts % (e.nodes * kGpusPerNode) != 0)
    csv.fail(r,
             fmt::format("{}: expected a multiple of {} GPUs, got {}", in.experts, e.nodes * kGpusPerNode, e.experts));
  e.spec.kernel = normal ? ExchangeKernel::deepep_normal : ExchangeKernel::deepep_low_latency;
  e.spec.direction = column.direction;
  e.spec.row = dispatch ? fp8_row(hidden) : bf16_row(hidden);
  if (normal) e.spec.sms = int(csv.integer(r, column.sms, 1, 1024));
  const std::string kind = fmt::format("deepep {} {}{}", normal ? "normal" : "low latency",
                                       dispatch ? "dispatch" : "combine", column.notify ? " notify" : "");
  NetworkRow row = reader.start(r, kind, dispatch ? "fp8" : "bfloat16", column.time, 1e-6);
  row.library = library_of(csv, r, in);
  row.shape =
      fmt::format("{} nodes, hidden {}, {} tokens, top {} of {}", e.nodes, hidden, e.tokens, e.top_k, e.experts);
  if (normal) row.shape += fmt::format(", {} SMs", e.spec.sms);
  row.groups = {fmt::format("{} node{}", e.nodes, e.nodes > 1 ? "s" : "")};
  row.call = e;
  reader.finish(r, std::move(row));
}

std::vector<NetworkRow> read_exchanges(const formats::CsvTable& csv, const Columns& in,
                                       const std::vector<TimeColumn>& columns) {
  RowReader reader(csv, in.gpu);
  for (std::size_t r = 0; r < csv.rows(); ++r)
    for (const TimeColumn& column : columns)
      if (!column.notify || csv.number(r, column.time) != 0)  // 0: not recorded
        read_one(reader, csv, r, in, column);
  return reader.take();
}
constexpr auto kDispatch = ExchangeDirection::dispatch, kCombine = ExchangeDirection::combine;
}  // namespace

std::vector<NetworkRow> read_low_latency(const std::string& file) {
  const formats::CsvTable csv(
      file, {"gpu", "library", "nodes", "hidden", "tokens", "top_k", "experts", "dispatch_us", "combine_us"});
  return read_exchanges(csv, kNow, {{kDispatch, "dispatch_us", false, {}}, {kCombine, "combine_us", false, {}}});
}

std::vector<NetworkRow> read_low_latency_2025(const std::string& file) {
  const formats::CsvTable csv(file, {"framework", "version", "device", "node_num", "hidden_size", "num_token",
                                     "num_topk", "num_experts", "dispatch_avg_t_us", "combine_avg_t_us"});
  return read_exchanges(csv, kOf2025,
                        {{kDispatch, "dispatch_avg_t_us", false, {}}, {kCombine, "combine_avg_t_us", false, {}}});
}

std::vector<NetworkRow> read_normal(const std::string& file) {
  const formats::CsvTable csv(file, {"gpu", "library", "nodes", "hidden", "tokens", "top_k", "experts", "sms",
                                     "dispatch_us", "dispatch_notify_us", "combine_us", "combine_notify_us"});
  return read_exchanges(csv, kNow,
                        {{kDispatch, "dispatch_us", false, "sms"},
                         {kDispatch, "dispatch_notify_us", true, "sms"},
                         {kCombine, "combine_us", false, "sms"},
                         {kCombine, "combine_notify_us", true, "sms"}});
}

std::vector<NetworkRow> read_normal_2025(const std::string& file) {
  const formats::CsvTable csv(file, {"framework", "version", "device", "node_num", "hidden_size", "num_token",
                                     "num_topk", "num_experts", "dispatch_sms", "dispatch_transmit_us",
                                     "dispatch_notify_us", "combine_sms", "combine_transmit_us", "combine_notify_us"});
  return read_exchanges(csv, kOf2025,
                        {{kDispatch, "dispatch_transmit_us", false, "dispatch_sms"},
                         {kDispatch, "dispatch_notify_us", true, "dispatch_sms"},
                         {kCombine, "combine_transmit_us", false, "combine_sms"},
                         {kCombine, "combine_notify_us", true, "combine_sms"}});
}
}  // namespace moesim::network
